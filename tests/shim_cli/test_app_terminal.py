"""Commands with a table, on a real terminal: they fit its width, and have colours where they are wanted."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from addons.adapters.ledger.turn_log import TurnLogWriter
from tests.adapters.codex.codex_threads import CodexThreads
from tests.adapters.records import turn
from tests.shim_cli.health_server import HEALTHY, answering
from tests.shim_cli.run import START, environment, shim

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a terminal of POSIX")
COMMANDS = ("list", "usage", "threads", "status", "doctor", "doctor models", "doctor picker")
WIDTH = 80
STYLED = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    CodexThreads(tmp_path).begin(1, title="Repair the parser " * 20)
    writer = TurnLogWriter(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    writer.note(turn(started=time.time()))
    writer.close()
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_table_fits_the_terminal_and_a_pipe_gets_plain_lines(home: Path, command: str) -> None:
    from tests.shim_cli.screen import on_terminal  # noqa: PLC0415  Windows has no terminal of this kind

    argv = [*START, *command.split()]
    with answering(200, json.dumps(HEALTHY).encode()) as port:
        env = {**environment(home), "CODEX_SHIM_PORT": str(port), "TERM": "xterm-256color"}
        del env["COLUMNS"]
        coloured = on_terminal(argv, env, WIDTH)
        plain = on_terminal(argv, {**env, "NO_COLOR": "1"}, WIDTH)
        piped = shim(home, *command.split(), env={"CODEX_SHIM_PORT": str(port)}).stdout

    assert STYLED.search(coloured)
    assert "\x1b" not in plain + piped
    assert STYLED.sub("", coloured) == plain
    # a path is one word, which is never broken
    lines = [line for line in plain.splitlines() if line.strip().count(" ")]
    assert max(map(len, lines)) <= WIDTH
    assert len(plain.splitlines()) > 2
