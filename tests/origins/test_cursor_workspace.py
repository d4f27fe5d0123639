"""The folder of a turn: what may be trusted, and what is never."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from addons.core.errors import Problem
from addons.origins.cursor_workspace import Workspaces

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Cursor models need WSL there")


class Place:
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
def place(tmp_path: Path) -> Place:
    return Place(tmp_path.resolve())


def test_the_folder_of_codex_is_taken(place: Place) -> None:
    assert place.choose(place.project) == str(place.project)
    (place.started / "link").symlink_to(place.project)
    assert place.choose(place.started / "link") == str(place.project)


def test_without_one_it_is_where_the_shim_was_started(place: Place) -> None:
    assert place.choose(None) == str(place.started)


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
def test_a_folder_that_must_not_be_trusted_is_left_and_told(
    place: Place, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (place.project / "file").touch()
    (place.project / "to-home").symlink_to(place.home)
    declared = {
        "root": "/",
        "home": str(place.home),
        "above": str(place.home.parent),
        "link": str(place.project / "to-home"),
        "file": str(place.project / "file"),
        "gone": str(place.project / "gone"),
        "relative": "project",
        "nul": f"{place.project}\0",
        "surrogate": "/\ud800",
        "long": "/" + "x" * 100_000,
        "empty": "..",
    }[kind]
    with caplog.at_level(logging.WARNING):
        assert place.choose(declared) == str(place.started)
    assert "which a turn named" in caplog.text


def test_a_folder_of_somebody_else_is_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert place.choose(place.project) == str(place.started)


def test_the_setting_is_the_only_source(place: Place) -> None:
    setting = str(place.project)
    assert place.choose(place.started, setting) == setting
    assert place.choose(None, setting) == setting


@pytest.mark.parametrize("setting", ["/", "relative", "/nowhere/at/all"])
def test_a_setting_that_cannot_be_used_ends_the_turn(place: Place, setting: str) -> None:
    problem = place.choose(place.project, setting)
    assert isinstance(problem, Problem)
    assert "CODEX_SHIM_CURSOR_WORKSPACE" in problem.message


def test_a_shim_that_was_started_in_the_root_has_no_folder(place: Place) -> None:
    assert isinstance(place.choose(None, cwd=Path("/")), Problem)


def test_a_shim_that_was_started_in_home_warns_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    chooser = Workspaces({"HOME": str(place.home)}, "", lambda: place.home)
    with caplog.at_level(logging.WARNING):
        assert [chooser.choose(None), chooser.choose(None)] == [str(place.home)] * 2
    assert caplog.text.count("holds your home folder") == 1


def test_a_folder_that_went_away_under_the_shim_is_told() -> None:
    def gone() -> Path:
        raise FileNotFoundError

    problem = Workspaces({}, "", gone).choose(None)
    assert isinstance(problem, Problem)
    assert "is gone" in problem.message
