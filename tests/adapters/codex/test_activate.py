"""Activation of a model: what it writes, and what prevents it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from addons.adapters.codex import activate
from addons.adapters.codex.activate import (
    ActivationError,
    activate_model,
    live_route,
    switch_source,
)
from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.adapters.system.paths import CODEX_CATALOG
from addons.core.providers.demo import demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.turn import ClientRequest, Plan
from tests.fakes.account import Account

GOOD = {**demo_entry(), "slug": "good"}


def no_plan(request: ClientRequest, route: Route) -> Plan:
    raise AssertionError(request, route)


def table(entry: Mapping[str, object] = GOOD) -> RouteTable:
    return RouteTable.of(
        [
            Route("good", "Good", "demo", "good", entry, no_plan),
            Route("off", "Off", "byok", "off", {}, no_plan, "no key"),
        ],
        {"alias": "good"},
    )


class CodexHome:
    def __init__(self, root: Path) -> None:
        self.codex, self.state = root / "codex", root / "state"
        self.env = {
            "CODEX_HOME": str(self.codex),
            "CODEX_SHIM_STATE_DIR": str(self.state),
            "PATH": "",
        }

    @property
    def is_untouched(self) -> bool:
        return not self.codex.exists()


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    return CodexHome(tmp_path)


def test_activation_writes_everything_that_the_block_refers_to(home: CodexHome) -> None:
    activation = activate_model(home.env, table(), "alias", 8765)
    assert activation.slug == "good"
    assert (
        activation.message
        == f"Codex will use good the next time you start it ({home.codex}/config.toml)."
    )
    catalog = orjson.loads((home.state / "custom_model_catalog.json").read_bytes())
    assert catalog == {"models": [GOOD]}
    config = tomllib.loads((home.codex / "config.toml").read_text())
    assert config["model_catalog_json"] == CODEX_CATALOG
    assert orjson.loads((home.codex / CODEX_CATALOG).read_bytes()) == catalog
    assert (home.state / "token").is_file()
    again = activate_model(home.env, table(), "good", 8765)
    assert again.message.startswith("Codex already uses good")


@pytest.mark.parametrize(("disabled", "has_keys"), [("", True), ("1", False)])
def test_block_requires_a_login_that_codex_has_and_the_shim_uses(
    home: CodexHome, disabled: str, has_keys: bool
) -> None:
    home.codex.mkdir()
    Account().write(home.codex)
    env = home.env | {"CODEX_SHIM_DISABLE_CHATGPT": disabled}
    activation = activate_model(env, table(), "good", 8765)
    config = tomllib.loads((home.codex / "config.toml").read_text())
    provider = config["model_providers"]["codex_shim"]
    assert ("requires_openai_auth" in provider) is has_keys
    assert ("supports_standalone_web_search" in provider) is has_keys
    search = next(each for each in activation.features if each.name == "web search")
    assert search.is_on is has_keys


@pytest.mark.parametrize(
    ("slug", "expected"),
    [("nope", "there is no model 'nope'"), ("off", "is not available: no key")],
)
def test_only_a_live_model_is_activated(home: CodexHome, slug: str, expected: str) -> None:
    with pytest.raises(ActivationError, match=expected):
        activate_model(home.env, table(), slug, 8765)
    assert home.is_untouched
    assert live_route(table(), "alias").slug == "good"


def test_invalid_catalog_is_not_written(home: CodexHome) -> None:
    with pytest.raises(ActivationError, match="Codex would not start"):
        activate_model(home.env, table({"slug": "good"}), "good", 8765)
    assert home.is_untouched
    assert not home.state.exists()


def test_installed_codex_decides_about_the_catalog(
    home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CodexCli, "find", lambda env: CodexCli("codex", env))
    monkeypatch.setattr(CodexCli, "catalog_error", lambda *_: "no such field")
    with pytest.raises(ActivationError, match="no such field"):
        activate_model(home.env, table(), "good", 8765)
    monkeypatch.setattr(CodexCli, "catalog_error", lambda *_: "")
    activate_model(home.env, table({"slug": "good"}), "good", 8765)

    def broken(*_: object) -> str:
        msg = "it crashed"
        raise CodexCliError(msg)

    monkeypatch.setattr(CodexCli, "catalog_error", broken)
    with pytest.raises(ActivationError, match="Codex would not start"):
        activate_model(home.env, table({"slug": "other"}), "good", 8765)


@pytest.mark.parametrize("name", ["token", "custom_model_catalog.json", "wiring.json"])
def test_unusable_state_file_is_reported(home: CodexHome, name: str) -> None:
    (home.state / name).mkdir(parents=True)
    (home.state / name / "full").touch()
    with pytest.raises(ActivationError) as caught:
        activate_model(home.env, table(), "good", 8765)
    assert "CODEX_SHIM_STATE_DIR" in caught.value.advice
    assert not (home.codex / "config.toml").exists()


class Written:
    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


async def test_switch_writes_its_result_as_json(
    home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activate, "SWITCH_WAIT_SECONDS", 0.1)
    switch = switch_source(home.env, table, lambda: 9000)
    done, failed = Written(), Written()
    await switch("good")(done)
    assert orjson.loads(done.data) == {
        "slug": "good",
        "ok": True,
        "written": True,
        "message": f"Codex will use good the next time you start it ({home.codex}/config.toml).",
    }
    assert "http://127.0.0.1:9000/v1" in (home.codex / "config.toml").read_text()
    await switch("off")(failed)
    assert orjson.loads(failed.data)["ok"] is False


def test_model_that_codex_rejects_is_not_activated(
    home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(_codex: CodexCli, catalog: bytes) -> str:
        at = catalog.find(b'"new"')
        return f"unknown variant `max` at line 1 column {at}" if at > 0 else ""

    monkeypatch.setattr(CodexCli, "find", lambda env: CodexCli("codex", env))
    monkeypatch.setattr(CodexCli, "catalog_error", refusal)
    both = RouteTable.of(
        [Route(s, s, "demo", s, {**GOOD, "slug": s}, no_plan) for s in ("new", "good")]
    )
    with pytest.raises(ActivationError, match=r"new is not available: .*npm install"):
        activate_model(home.env, both, "new", 8765)
    assert home.is_untouched
    activate_model(home.env, both, "good", 8765)
    catalog = orjson.loads((home.state / "custom_model_catalog.json").read_bytes())
    assert [entry["slug"] for entry in catalog["models"]] == ["good"]


@pytest.mark.parametrize(
    "versions", [("0.133.0", "0.171.0"), ("0.171.0", "0.133.0"), ("0.169.0", "0.171.0")]
)
def test_catalog_follows_the_installed_version(
    home: CodexHome, monkeypatch: pytest.MonkeyPatch, versions: tuple[str, str]
) -> None:
    validated: list[str] = []

    def accept(_codex: CodexCli, catalog: bytes) -> str:
        validated.append(orjson.loads(catalog)["client_version"])
        return ""

    def made(version: str) -> Mapping[str, object]:
        return {**GOOD, "description": f"for {version}"}

    monkeypatch.setattr(CodexCli, "find", lambda env: CodexCli("codex", env))
    monkeypatch.setattr(CodexCli, "catalog_error", accept)
    rows = RouteTable.of([Route("good", "Good", "p", "good", GOOD, no_plan, make_entry=made)])
    for version in versions:
        monkeypatch.setattr(CodexCli, "version", lambda _, version=version: version)
        for _ in range(2):
            activate_model(home.env, rows, "good", 8765)
        assert orjson.loads((home.state / "custom_model_catalog.json").read_bytes()) == {
            "models": [made(version)],
            "client_version": version,
        }
    assert validated == list(versions), "an unchanged catalog is not validated again"


def test_unusable_state_folder_is_reported_with_the_variable(home: CodexHome) -> None:
    home.state.write_text("a file in the way")
    with pytest.raises(ActivationError) as caught:
        activate_model(home.env, table(), "good", 8765)
    assert "CODEX_SHIM_STATE_DIR" in caught.value.advice
    assert home.is_untouched


def test_unreadable_catalog_is_reported(home: CodexHome, monkeypatch: pytest.MonkeyPatch) -> None:
    activate_model(home.env, table(), "good", 8765)
    before = (home.codex / "config.toml").read_bytes()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(ActivationError, match="Permission denied"):
            activate_model(home.env, table(), "good", 8765)
    assert (home.codex / "config.toml").read_bytes() == before


def test_config_offers_search_while_somebody_answers_it(home: CodexHome) -> None:
    name = "web search on models of your own"
    for searches in (True, False):
        made = replace(table(), searches=searches)
        activation = activate_model(home.env, made, "good", 8765)
        config = tomllib.loads((home.codex / "config.toml").read_text())
        provider = config["model_providers"]["codex_shim"]
        assert ("features" in config) is searches
        assert ("supports_standalone_web_search" in provider) is searches
        (found,) = [each for each in activation.features if each.name == name]
        assert found.is_on is searches


def test_decision_of_the_user_is_named(home: CodexHome) -> None:
    home.codex.mkdir()
    (home.codex / "config.toml").write_text("[features]\nstandalone_web_search = false\n")
    activation = activate_model(home.env, replace(table(), searches=True), "good", 8765)
    (found,) = [each for each in activation.features if each.name.endswith("of your own")]
    assert "`codex features enable standalone_web_search`" in found.reason
