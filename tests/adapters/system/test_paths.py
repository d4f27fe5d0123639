"""Paths from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.system import paths


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def test_defaults_are_under_the_home_folder(home: dict[str, str], tmp_path: Path) -> None:
    assert paths.codex_home(home) == tmp_path / ".codex"
    assert paths.models_cache_file(home) == tmp_path / ".codex" / "models_cache.json"
    assert paths.settings_file(home) == tmp_path / ".codex-shim" / "models.json"


def test_flag_wins_over_variable_and_variable_over_default(
    home: dict[str, str], tmp_path: Path
) -> None:
    env = home | {
        "CODEX_HOME": str(tmp_path / "c"),
        "CODEX_SHIM_SETTINGS": str(tmp_path / "s.json"),
        "CODEX_SHIM_STATE_DIR": str(tmp_path / "state"),
    }

    assert paths.codex_home(env) == tmp_path / "c"
    assert paths.settings_file(env) == tmp_path / "s.json"
    assert paths.settings_file(env, Path("flag.json")) == Path("flag.json")
    assert paths.catalog_file(env) == tmp_path / "state" / "custom_model_catalog.json"
    assert paths.standalone_config_file(env) == tmp_path / "state" / "config.toml"
    assert paths.account_catalog_file(env).parent == tmp_path / "state"
    assert paths.bundled_catalog_file(env).parent == tmp_path / "state"


def test_empty_variable_counts_as_unset(home: dict[str, str], tmp_path: Path) -> None:
    assert paths.codex_home(home | {"CODEX_HOME": ""}) == tmp_path / ".codex"


def test_relative_variable_gives_an_absolute_path(home: dict[str, str]) -> None:
    assert paths.catalog_file(home | {"CODEX_SHIM_STATE_DIR": "here"}).is_absolute()


def test_state_is_beside_the_settings_unless_an_older_version_left_some(
    home: dict[str, str], tmp_path: Path
) -> None:
    assert paths.state_dir(home) == tmp_path / ".codex-shim"

    old = paths.old_state_dir(home | {"XDG_STATE_HOME": ""})
    old.mkdir(parents=True)
    assert paths.state_dir(home) == old


@pytest.mark.parametrize(
    ("platform", "more", "expected"),
    [
        ("linux", {}, ".local/state/codex-shim"),
        ("linux", {"XDG_STATE_HOME": "{home}/xdg"}, "xdg/codex-shim"),
        ("darwin", {}, "Library/Application Support/codex-shim"),
        ("win32", {}, "AppData/Local/codex-shim"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "local/codex-shim"),
    ],
)
def test_the_old_state_folder_is_the_one_of_the_platform(
    home: dict[str, str], tmp_path: Path, platform: str, more: dict[str, str], expected: str
) -> None:
    env = home | {name: value.format(home=tmp_path) for name, value in more.items()}

    assert paths.old_state_dir(env, platform) == tmp_path / expected
