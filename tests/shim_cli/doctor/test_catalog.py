from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from addons.adapters.route_sources import RouteSources
from addons.adapters.system.paths import catalog_file, codex_catalog_file
from addons.core.codex.catalog import codex_shape, fallback_entries
from tests.adapters.fake_codex import FakeCodex
from tests.shim_cli.doctor.findings import put, section_messages

CLAUDE = {"slug": "claude", "model": "claude-opus-4-8", "provider": "anthropic", "api_key": "k"}


@pytest.mark.parametrize(
    ("content", "level", "expected"),
    [
        (orjson.dumps(codex_shape(fallback_entries())), "OK", "{path}, 1 model"),
        (b"<", "FAIL", "{path} is not JSON: Codex would not start with it"),
        (
            b'{"models":[]}',
            "FAIL",
            "{path}: models: must contain at least one model: Codex would not start with it",
        ),
    ],
)
def test_catalog_is_validated(
    env: dict[str, str], tmp_path: Path, content: bytes, level: str, expected: str
) -> None:
    path = put(tmp_path / "state" / "custom_model_catalog.json", content)

    assert section_messages(env, "Catalog")[0] == (level, expected.format(path=path))


def test_installed_codex_validates_the_catalog(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "state" / "custom_model_catalog.json"
    put(path, orjson.dumps(codex_shape(fallback_entries())))
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, behaviour="refuse").binary)}

    [(level, message)] = section_messages(env, "Catalog")

    assert (level, "missing field `slug`" in message) == ("FAIL", True)


def test_outdated_catalog_lists_the_changes(env: dict[str, str], tmp_path: Path) -> None:
    entries = [{**fallback_entries()[0], "slug": slug} for slug in "abcde"]
    put(tmp_path / "state" / "custom_model_catalog.json", orjson.dumps(codex_shape(entries)))

    assert section_messages(env, "Catalog")[1:] == [
        (
            "WARN",
            "it is out of date: shim-demo is not in it; a, b, c and 2 more are no longer offered",
        )
    ]


@pytest.mark.parametrize(
    ("made_for", "installed", "expected"),
    [
        ("0.133.0", "0.171.0", " (for Codex 0.133.0; 0.171.0 is installed)"),
        ("0.171.0", "0.133.0", " (for Codex 0.171.0; 0.133.0 is installed)"),
        ("", "0.171.0", ""),
        ("0.171.0", "0.171.0", None),
        ("0.169.0", "0.171.0", None),
    ],
)
def test_catalog_for_another_codex_is_reported(
    env: dict[str, str], tmp_path: Path, made_for: str, installed: str, expected: str | None
) -> None:
    settings = put(tmp_path / "models.json", orjson.dumps([CLAUDE]))
    table = RouteSources(env, settings).table().for_client(made_for)
    entries = [route.entry for route in table.live]
    put(
        tmp_path / "state" / "custom_model_catalog.json",
        orjson.dumps(codex_shape(entries, made_for)),
    )
    env |= {"CODEX_BIN": str(FakeCodex(tmp_path, version=installed).binary)}

    changes = section_messages(env, "Catalog", settings)[1:]

    wanted = f"it is out of date: claude is in it with other reasoning levels{expected}"
    assert changes == ([] if expected is None else [("WARN", wanted)])


def test_levels_are_not_compared_without_codex(env: dict[str, str], tmp_path: Path) -> None:
    settings = put(tmp_path / "models.json", orjson.dumps([CLAUDE]))
    entries = [route.entry for route in RouteSources(env, settings).table().live]
    put(tmp_path / "state" / "custom_model_catalog.json", orjson.dumps(codex_shape(entries)))
    assert [level for level, _ in section_messages(env, "Catalog", settings)] == ["OK"]


@pytest.mark.parametrize("beside", [True, False])
def test_missing_catalog_that_the_config_names_fails(
    env: dict[str, str], tmp_path: Path, beside: bool
) -> None:
    named = codex_catalog_file(env) if beside else catalog_file(env)
    put(tmp_path / ".codex" / "config.toml", f'model_catalog_json = "{named}"\n')

    assert section_messages(env, "Catalog") == [
        ("FAIL", f"{named} does not exist: Codex does not start")
    ]
