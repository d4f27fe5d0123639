from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.secrets import Origin
from shim_cli.state.codex_config import loopback_origins, parse_config, parse_origin, read_config

PATH = Path("/home/me/.codex/config.toml")
CONFIG = b"""
model = "gpt-5.5"
model_provider = "codex_shim"
model_catalog_json = "/state/catalog.json"

[model_providers.codex_shim]
name = "codex-shim"
base_url = "http://127.0.0.1:8765/v1"
"""


def test_selection_is_read() -> None:
    config = parse_config(CONFIG, PATH)

    assert (config.model, config.provider_key) == ("gpt-5.5", "codex_shim")
    assert config.catalog == Path("/state/catalog.json")
    assert config.provider is not None
    assert config.provider.origin == Origin("http", "127.0.0.1", 8765)


def test_empty_file_has_defaults() -> None:
    config = parse_config(b"", PATH)

    assert (config.exists, config.problem) == (True, "")
    assert (config.model, config.provider_key, config.catalog) == ("", "openai", None)
    assert config.provider is None


def test_relative_catalog_path_is_resolved() -> None:
    config = parse_config(b'model_catalog_json = "mine.json"', PATH)

    assert config.catalog == PATH.parent / "mine.json"


def test_selected_profile_takes_precedence() -> None:
    config = parse_config(b'profile = "p"\nmodel = "a"\n[profiles.p]\nmodel = "b"', PATH)

    assert config.model == "b"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'model = "sk-hush\n', "not valid TOML at line 1, column 17"),
        (b"\xff", "not valid UTF-8"),
    ],
)
def test_invalid_file_is_reported_by_position_only(data: bytes, problem: str) -> None:
    config = parse_config(data, PATH)

    assert config.problem == problem
    assert config.root == {}


def test_blocks_of_earlier_shims_are_found() -> None:
    data = b"# mine\n# >>> codex-shim managed >>>\nmodel = 'a'\n# <<< codex-shim managed <<<\n"

    assert parse_config(data, PATH).older_blocks == (2,)


def test_loopback_origins_have_their_keys() -> None:
    data = CONFIG + (
        b'[model_providers.far]\nbase_url = "https://far.example/v1"\n'
        b'[model_providers.odd]\nbase_url = "http://u:p@127.0.0.1/v1"\n'
        b"[model_providers]\nnumber = 3\n"
    ).replace(b"[model_providers]\nnumber = 3\n", b"")
    config = parse_config(b'openai_base_url = "http://localhost:4000"\n' + data, PATH)

    assert [(key, str(origin)) for key, origin in loopback_origins(config)] == [
        ("openai_base_url", "http://localhost:4000"),
        ("model_providers.codex_shim.base_url", "http://127.0.0.1:8765"),
    ]


def test_url_with_a_password_has_no_origin() -> None:
    assert parse_origin("http://user:hush@127.0.0.1/v1") is None
    assert parse_origin(3) is None


def test_missing_file_and_folder_in_its_place(tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path)}
    assert read_config(env).exists is False
    (tmp_path / "config.toml").mkdir()

    config = read_config(env)

    assert config.exists
    assert config.problem


@given(st.binary() | st.text().map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_parsed_without_an_exception(data: bytes) -> None:
    config = parse_config(data, PATH)

    assert config.exists
    assert [config.provider, config.catalog, config.model, *loopback_origins(config)]
    assert os.sep in str(config.path)
