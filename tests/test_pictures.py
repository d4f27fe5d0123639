"""The pictures of README.md show what codex-shim prints today, and their numbers are those of the project."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree as ET

import pytest

from scripts.pictures import COLUMNS, FOLDER, SHOWN, badges, recorded, shell_line, terminal, wrapped
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


def test_terminal_names_its_commands_and_loads_nothing() -> None:
    text = (FOLDER / "terminal.svg").read_text()
    title = ET.fromstring(text)[0].text or ""  # noqa: S314  a file of this repository
    assert all(shell_line(arguments) in title for arguments in SHOWN)
    assert re.findall(r"(?:href|url\()[^>]*", text) == []


def test_long_line_is_wrapped_as_by_a_terminal() -> None:
    assert wrapped("x" * COLUMNS + "yz") == ["x" * COLUMNS, "yz"]
    assert wrapped("") == [""]
