"""A version of Codex from npm: installed once, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.radar.npm import VERSIONS, installed
from tests.shim_cli.radar.programs import fake_codex, fake_npm


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    fake_npm(tmp_path / "bin")
    monkeypatch.setenv("FAKE_NPM_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_CODEX", str(fake_codex(tmp_path / "codex")))
    return {"PATH": str(tmp_path / "bin"), "CODEX_SHIM_STATE_DIR": str(tmp_path / "state")}


def installs(tmp_path: Path) -> int:
    return (tmp_path / "log").read_text().count("install ")


def test_version_is_installed_once(env: dict[str, str], tmp_path: Path) -> None:
    binary = installed(env, "0.170.0")
    assert binary.exists()
    assert binary.is_relative_to(tmp_path / "state" / "radar" / "codex-0.170.0")
    assert installed(env, "0.170.0") == binary
    assert installs(tmp_path) == 1
    # no folder of an installation under way is left
    assert [path.name for path in (tmp_path / "state" / "radar").iterdir()] == ["codex-0.170.0"]


def test_tag_is_the_version_that_npm_names(env: dict[str, str]) -> None:
    assert "codex-0.172.0" in str(installed(env, "latest"))


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("9.9.9", "The install command of npm failed: npm error code E404"),
        ("8.8.8", "The install command of npm failed: npm error code"),
        ("../x", "neither a version"),
        ("1", "neither a version"),
        ("0.1.0 --global", "neither a version"),
    ],
)
def test_version_that_cannot_be_installed_is_an_error(
    version: str, reason: str, env: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(CliError, match=reason) as caught:
        installed(env, version)
    assert caught.value.advice == VERSIONS
    assert not list((tmp_path / "state").glob("radar/*"))


def test_without_npm_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="npm was not found") as caught:
        installed({"PATH": str(tmp_path)}, "0.171.0")
    assert "--codex PATH" in caught.value.advice


def test_state_folder_that_cannot_be_written_is_an_error(
    env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(CliError, match=r"Codex 0\.170\.0 was not installed into") as caught:
        installed(env, "0.170.0")
    assert "CODEX_SHIM_STATE_DIR" in caught.value.advice
