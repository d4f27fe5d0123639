"""What every command says, word for word: the transcripts in `golden/`, played.

`CODEX_SHIM_UPDATE_GOLDEN=1 pytest tests/cli/test_golden.py` writes them as they are now; the diff is what to review.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest
import typer

from shim_cli.app import app
from tests.cli.daemons import user_with_daemons
from tests.cli.stage import PREPARATIONS, Stage
from tests.cli.transcript import ROOT, play, typed

FOLDER = Path(__file__).with_name("golden")
TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))
# A piece of the words of a failure that needs a race, another system or a broken installation → the test that makes it.
ELSEWHERE = {
    "another codex-shim": "tests/origins/test_file_lock.py",
    "no model is available": "tests/cli/test_generate.py",
    "nothing was written": "tests/cli/test_report.py",
    "no user service": "tests/cli/test_service.py",
    "did not answer": "tests/cli/test_daemon.py",
    "has not ended within": "tests/cli/test_daemon.py",
    "failed inside:": "tests/cli/test_app.py",
    "the addon is missing": "tests/cli/test_tools.py",
    "is open": "tests/cli/test_desktop.py",
    "ended with": "tests/cli/test_desktop.py",
    "neither in": "tests/cli/test_desktop.py",
    "changes all the time": "tests/origins/test_codex_config.py",
}
ERRORS = {"CliError", "ConfigError", "WiringError", "LockedError", "CannotWireError"}
SOURCES = [
    *ROOT.glob("shim_cli/**/*.py"),
    *(
        ROOT / "addons" / "origins" / name
        for name in ("wiring.py", "codex_config.py", "file_lock.py")
    ),
]
SHORTEST = 8
"""Characters that tell one message from another."""


@pytest.mark.skipif(sys.platform != "linux", reason="signals, paths, and systemd")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_the_commands_say(transcript: Path, tmp_path: Path) -> None:
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
            yield from commands(command, *above, name)
        else:
            yield " ".join([*above, name]), command


def everything() -> dict[str, click.Command]:
    root = typer.main.get_command(app)
    assert isinstance(root, click.Group)
    return dict(commands(root))


LINES = [each for path in TRANSCRIPTS for each in typed(path.read_text())]


@pytest.mark.parametrize("command", everything())
def test_every_command_has_its_words_on_record(command: str) -> None:
    forms = [each.words for each in LINES if each.command == command]
    assert forms, f"no transcript types `codex-shim {command}`"
    options = {name for each in everything()[command].params for name in each.opts}
    if "--json" in options:
        assert any("--json" in form for form in forms)
        assert any("--json" not in form for form in forms)


def test_every_line_types_a_command_that_there_is() -> None:
    known = {*everything(), "", "model", "service", "bogus"}
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
    """The longest piece of a message that is always the same."""
    pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [
        piece.value
        for piece in pieces
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
    ]
    return max(texts, key=len, default="").strip()


def messages(path: Path) -> Iterator[str]:
    """What the errors that a module raises say, as far as it is written there."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        said: dict[str, ast.expr] = {}
        nodes = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Call)]
        for node in sorted(nodes, key=lambda node: node.lineno):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                said[node.targets[0].id] = node.value
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ERRORS
            ):
                first = node.args[0]
                text = literal_of(said.get(first.id) if isinstance(first, ast.Name) else first)
                if len(text) >= SHORTEST:
                    yield text


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_failure_has_its_words_and_its_exit_code_on_record(source: Path) -> None:
    recorded = "\n".join(path.read_text() for path in TRANSCRIPTS)
    for message in messages(source):
        if message in recorded:
            continue
        elsewhere = [(words, test) for words, test in ELSEWHERE.items() if words in message]
        assert elsewhere, f"{source.name}: no transcript shows: {message!r}"
        told = [test for words, test in elsewhere if words in (ROOT / test).read_text()]
        assert told, f"{elsewhere} do not make {message!r}"


def test_what_is_shown_elsewhere_is_said_somewhere() -> None:
    said = [message for source in SOURCES for message in messages(source)]
    assert [words for words in ELSEWHERE if not any(words in message for message in said)] == []
