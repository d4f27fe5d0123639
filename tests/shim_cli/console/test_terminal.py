"""Real commands on a real terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from shim_cli.console.terminal import fitted, wants_colour
from tests.adapters.records import turn
from tests.shim_cli.forks.client import started
from tests.shim_cli.run import START, environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


def on_terminal(home: Path, *args: str, **more: str) -> str:
    """Run a command with a terminal as its stdout and return what it wrote there."""
    ours, theirs = os.openpty()
    env: Mapping[str, str] = environment(home, {"TERM": "xterm-256color", **more})
    with started(
        [*START, *args], env=env, cwd=home, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 1 << 16):
                written += data
        except OSError:
            pass  # Linux reports the end of a terminal as an error
        finally:
            os.close(ours)
        assert process.wait(30) == 0
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 200])
def test_table_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    shown = on_terminal(tmp_path, "list", "--all", COLUMNS=str(columns), NO_COLOR="1")

    head, *rows = shown.splitlines()
    assert head.split()[:6] == ["model", "name", "context", "provider", "sent", "as"]
    table = rows[: next(index for index, row in enumerate(rows) if " hidden: " in row)]
    assert [row.split()[0] for row in table] == ["gpt-5.5", "composer-2-5", "composer-2-5-fast", "shim-demo"]  # fmt: skip
    # a path is not broken
    assert max(len(row) for row in shown.splitlines() if str(tmp_path) not in row) <= columns
    assert "200,000" in table[-1]


def test_colours_are_for_terminals_that_want_them(tmp_path: Path) -> None:
    assert "\x1b[" in on_terminal(tmp_path, "list")
    assert "\x1b[3" not in on_terminal(tmp_path, "list", NO_COLOR="1")
    assert not wants_colour({})


def test_usage_is_a_table_on_a_terminal(tmp_path: Path) -> None:
    writer = TurnLogWriter(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    for slug in ("one", "two"):
        writer.note(turn(slug=slug, started=time.time()))
    writer.close()

    shown = on_terminal(tmp_path, "usage", COLUMNS="80", NO_COLOR="1")

    lines = shown.splitlines()
    assert lines[0].split() == ["model", "turns", "input", "cached", "output", "cost", "share", "of", "tokens"]  # fmt: skip
    assert any(line.split()[:3] == ["all", "2", "2k"] for line in lines)
    assert "List prices of" in shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_text_is_broken_between_words_and_not_in_a_quoted_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "12 models hidden: There is no login. Type `codex-shim enable --model x` to go on."
    assert fitted(text, 2, Terminal()).splitlines() == [
        "12 models hidden: There is no login.",
        "  Type `codex-shim enable --model x` to",
        "  go on.",
    ]
    assert fitted(text, 2, io.StringIO()) == text
