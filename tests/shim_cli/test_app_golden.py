"""The exact output of every command: the transcripts in `golden/`.

`CODEX_SHIM_UPDATE_GOLDEN=1 pytest tests/shim_cli/test_app_golden.py` rewrites them; review the diff.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import click
import pytest
import typer

from shim_cli.app import app
from tests.shim_cli.daemons import user_with_daemons
from tests.shim_cli.stage import PREPARATIONS, Stage
from tests.shim_cli.transcript import ROOT, play, typed

FOLDER = Path(__file__).with_name("golden")
TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))
# Part of an error message that needs a race, another system or a broken installation → the test that produces it.
ELSEWHERE = {
    "a key is visible ASCII characters": "tests/shim_cli/commands/test_add.py",
    "by a codex-shim in the foreground": "tests/shim_cli/state/test_takeover.py",
    "models are available, and they are never": "tests/shim_cli/commands/test_model.py",
    "the row would not work": "tests/shim_cli/state/test_models_edit.py",
    "another codex-shim": "tests/adapters/system/test_file_lock.py",
    "no model is available": "tests/shim_cli/commands/test_generate.py",
    "nothing was written": "tests/shim_cli/report/test_command.py",
    "would have contained": "tests/shim_cli/report/test_command.py",
    "services are not supported": "tests/shim_cli/commands/test_service.py",
    "did not answer": "tests/shim_cli/state/test_daemon.py",
    "has not exited within": "tests/shim_cli/state/test_daemon.py",
    "internal error:": "tests/shim_cli/console/test_entry_point.py",
    "the addon is missing": "tests/shim_cli/commands/test_mitmproxy_tools.py",
    "is open": "tests/shim_cli/commands/test_desktop.py",
    "exited with code": "tests/shim_cli/commands/test_desktop.py",
    "neither in": "tests/shim_cli/commands/test_desktop.py",
    "exists, and a cassette is never": "tests/shim_cli/cassette/test_command.py",
    "has no turn": "tests/shim_cli/cassette/test_command.py",
    "holds no turn": "tests/shim_cli/report/test_har.py",
    "cannot be written": "tests/shim_cli/report/test_har.py",
    "has no bodies of": "tests/shim_cli/report/test_har.py",
    "is no contract": "tests/shim_cli/radar/test_command.py",
    "does not exist": "tests/shim_cli/radar/test_command.py",
    "neither a version": "tests/shim_cli/radar/test_npm.py",
    "was not installed": "tests/shim_cli/radar/test_npm.py",
    "command of npm": "tests/shim_cli/radar/test_npm.py",
    "Codex could ask your real provider": "tests/shim_cli/drill/test_command.py",
    "no drill for": "tests/shim_cli/drill/test_command.py",
    "there is no file": "tests/shim_cli/what_if/test_command.py",
    "exists, and is not overwritten": "tests/shim_cli/what_if/test_command.py",
    "keeps changing": "tests/adapters/codex/test_config_file.py",
}
ERRORS = {"CliError", "ConfigError", "ActivationError", "LockedError", "ConfigBlockError"}
SOURCES = [
    *ROOT.glob("shim_cli/**/*.py"),
    *(
        ROOT / "addons" / "adapters" / name
        for name in ("codex/activate.py", "codex/config_file.py", "system/file_lock.py")
    ),
]
MIN_LITERAL_LENGTH = 8
"""Shorter literals do not identify a message."""


@pytest.mark.skipif(sys.platform != "linux", reason="signals, paths, and systemd")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_commands_match_their_transcripts(transcript: Path, tmp_path: Path) -> None:
    text = transcript.read_text()
    with ExitStack() as stack:
        user = stack.enter_context(user_with_daemons(tmp_path))
        stage = Stage(user, stack, {"CODEX_SHIM_PORT": str(user.port)})
        played = play(text, stage)
    if os.environ.get("CODEX_SHIM_UPDATE_GOLDEN"):
        transcript.write_text(played)
    assert played == text


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            if not command.hidden:  # an alias of another group
                yield from commands(command, *above, name)
        else:
            yield " ".join([*above, name]), command


@cache
def everything() -> dict[str, click.Command]:
    root = typer.main.get_command(app)
    assert isinstance(root, click.Group)
    return dict(commands(root))


LINES = [each for path in TRANSCRIPTS for each in typed(path.read_text())]


@pytest.mark.parametrize("command", everything())
def test_every_command_has_a_transcript(command: str) -> None:
    forms = [each.words for each in LINES if each.command == command]
    assert forms, f"no transcript types `codex-shim {command}`"
    options = {name for each in everything()[command].params for name in each.opts}
    if "--json" in options:
        assert any("--json" in form for form in forms)
        assert any("--json" not in form for form in forms)


def test_transcripts_use_known_commands() -> None:
    known = {*everything(), "", "model", "service", "threads", "budget", "bogus"}
    assert {each.command for each in LINES} <= known


def test_every_preparation_is_used() -> None:
    used = {
        line[2:]
        for path in TRANSCRIPTS
        for line in path.read_text().splitlines()
        if line.startswith("@ ")
    }
    assert used == set(PREPARATIONS)


def literal_of(node: ast.expr | None) -> str:
    """Return the longest constant part of a message."""
    pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [
        piece.value
        for piece in pieces
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
    ]
    return max(texts, key=len, default="").strip()


def messages(path: Path) -> Iterator[str]:
    """Yield the constant part of each error message that a module raises."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        assigned: dict[str, ast.expr] = {}
        nodes = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Call)]
        for node in sorted(nodes, key=lambda node: node.lineno):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned[node.targets[0].id] = node.value
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ERRORS
            ):
                first = node.args[0]
                text = literal_of(assigned.get(first.id) if isinstance(first, ast.Name) else first)
                if len(text) >= MIN_LITERAL_LENGTH:
                    yield text


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_message_is_in_a_transcript_or_test(source: Path) -> None:
    recorded = "\n".join(path.read_text() for path in TRANSCRIPTS)
    for message in messages(source):
        if message in recorded:
            continue
        elsewhere = [(part, test) for part, test in ELSEWHERE.items() if part in message]
        assert elsewhere, f"{source.name}: no transcript contains: {message!r}"
        tests = [test for part, test in elsewhere if part in (ROOT / test).read_text()]
        assert tests, f"{elsewhere} do not produce {message!r}"


def test_messages_covered_by_other_tests_exist() -> None:
    known = [message for source in SOURCES for message in messages(source)]
    assert [part for part in ELSEWHERE if not any(part in message for message in known)] == []
