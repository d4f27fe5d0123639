"""The pictures of README.md show what codex-shim prints today, and their numbers are those of the project."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from scripts.pictures import COLUMNS, FOLDER, SHOWN, badges, recorded, shell_line, terminal, wrapped
from scripts.workbench_pictures import radar_scene
from tests.readme import README

NEWER = "out of date: run `uv run python -m scripts.pictures`"


@pytest.mark.parametrize("name", badges())
def test_badge_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == badges()[name], NEWER
    assert f"docs/pictures/{name}" in README.text


@pytest.mark.skipif(sys.platform != "linux", reason="the fake of cursor-agent is a shell script")
@pytest.mark.timeout(120)
def test_terminal_shows_what_the_commands_print() -> None:
    assert (FOLDER / "terminal.svg").read_text() == terminal(recorded()), NEWER


def test_radar_shows_the_newest_recorded_codex() -> None:
    assert (FOLDER / "radar.svg").read_text() == terminal([radar_scene()]), NEWER


def test_pictures_of_the_workbench_are_shown_and_load_nothing() -> None:
    page = (FOLDER.parent / "workbench.md").read_text()
    for name, command in (("radar", "radar"), ("drill", "drill cut"), ("cassette", "replay")):
        text = (FOLDER / f"{name}.svg").read_text()
        assert f"(pictures/{name}.svg)" in page
        assert f"codex-shim {command}" in (ET.fromstring(text)[0].text or "")  # noqa: S314
        assert re.findall(r"(?:href|url\()[^>]*", text) == []


def test_terminal_names_its_commands_and_loads_nothing() -> None:
    text = (FOLDER / "terminal.svg").read_text()
    title = ET.fromstring(text)[0].text or ""  # noqa: S314  a file of this repository
    assert all(shell_line(arguments) in title for arguments in SHOWN)
    assert re.findall(r"(?:href|url\()[^>]*", text) == []


def test_long_line_is_wrapped_as_by_a_terminal() -> None:
    assert wrapped("x" * COLUMNS + "yz") == ["x" * COLUMNS, "yz"]
    assert wrapped("") == [""]
