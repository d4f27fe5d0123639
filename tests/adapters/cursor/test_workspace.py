"""The folder of a turn: which folders are trusted."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from addons.adapters.cursor.workspace import Workspaces
from addons.core.errors import Problem

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


class Folders:
    def __init__(self, folder: Path) -> None:
        self.home = folder / "people" / "me"
        self.project = self.home / "project"
        self.started = folder / "started"
        for made in (self.project, self.started):
            made.mkdir(parents=True)

    def choose(
        self, declared: str | Path | None, setting: str = "", cwd: Path | None = None
    ) -> str | Problem:
        env = {"HOME": str(self.home)}
        chooser = Workspaces(env, setting, lambda: cwd or self.started)
        return chooser.choose(None if declared is None else str(declared))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path.resolve())


def test_declared_folder_is_used(folders: Folders) -> None:
    assert folders.choose(folders.project) == str(folders.project)
    (folders.started / "link").symlink_to(folders.project)
    assert folders.choose(folders.started / "link") == str(folders.project)


def test_folder_of_the_shim_is_used_without_a_declared_one(folders: Folders) -> None:
    assert folders.choose(None) == str(folders.started)


@pytest.mark.parametrize(
    "kind",
    [
        "root",
        "home",
        "above",
        "link",
        "file",
        "gone",
        "relative",
        "nul",
        "surrogate",
        "long",
        "empty",
    ],
)
def test_untrusted_folder_is_rejected_with_a_warning(
    folders: Folders, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folders.project / "file").touch()
    (folders.project / "to-home").symlink_to(folders.home)
    declared = {
        "root": "/",
        "home": str(folders.home),
        "above": str(folders.home.parent),
        "link": str(folders.project / "to-home"),
        "file": str(folders.project / "file"),
        "gone": str(folders.project / "gone"),
        "relative": "project",
        "nul": f"{folders.project}\0",
        "surrogate": "/\ud800",
        "long": "/" + "x" * 100_000,
        "empty": "..",
    }[kind]
    with caplog.at_level(logging.WARNING):
        assert folders.choose(declared) == str(folders.started)
    assert "which a turn named" in caplog.text


def test_folder_of_another_user_is_rejected(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert folders.choose(folders.project) == str(folders.started)


def test_setting_is_the_only_source(folders: Folders) -> None:
    setting = str(folders.project)
    assert folders.choose(folders.started, setting) == setting
    assert folders.choose(None, setting) == setting


@pytest.mark.parametrize("setting", ["/", "relative", "/nowhere/at/all"])
def test_unusable_setting_is_a_problem(folders: Folders, setting: str) -> None:
    problem = folders.choose(folders.project, setting)
    assert isinstance(problem, Problem)
    assert "CODEX_SHIM_CURSOR_WORKSPACE" in problem.message


def test_root_folder_is_a_problem(folders: Folders) -> None:
    assert isinstance(folders.choose(None, cwd=Path("/")), Problem)


def test_home_folder_warns_once(folders: Folders, caplog: pytest.LogCaptureFixture) -> None:
    chooser = Workspaces({"HOME": str(folders.home)}, "", lambda: folders.home)
    with caplog.at_level(logging.WARNING):
        assert [chooser.choose(None), chooser.choose(None)] == [str(folders.home)] * 2
    assert caplog.text.count("contains your home folder") == 1


def test_deleted_working_folder_is_a_problem() -> None:
    def gone() -> Path:
        raise FileNotFoundError

    problem = Workspaces({}, "", gone).choose(None)
    assert isinstance(problem, Problem)
    assert "is gone" in problem.message
