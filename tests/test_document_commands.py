"""Every `codex-shim …` in README.md and the other documents is accepted by the command line's own parser."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache

import click
import pytest
import typer

from shim_cli.app import app
from tests.readme import DOCUMENTS, Document, simple_commands


@cache
def shown() -> frozenset[str]:
    """Return the commands of all documents."""
    return frozenset(command for document in DOCUMENTS for command in document.commands())


def parse(arguments: Sequence[str]) -> click.Command:
    """Return the command that the line would run. Raises click.UsageError; nothing runs."""
    command = _command_line()
    context = command.make_context("codex-shim", list(arguments))
    while isinstance(command, click.Group) and not _is_whole(command, context):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command = found
        context = command.make_context(name, rest, parent=context)
    return command


@cache
def _command_line() -> click.Command:
    """Return the whole command line. It takes 40 ms to make, and a parser keeps nothing of a line."""
    return typer.main.get_command(app)


def _is_whole(group: click.Group, context: click.Context) -> bool:
    """Return whether the line ends with a group that does something by itself, such as `threads`."""
    return group.invoke_without_command and not [*context._protected_args, *context.args]


def refused(lines: Iterable[str]) -> dict[str, str]:
    """Return the lines that the parser refuses, each with its reason."""
    reasons: dict[str, str] = {}
    for line in sorted(lines):
        try:
            with suppress(click.exceptions.Exit):  # `--version` ends the parser
                parse(shlex.split(line))
        except (AssertionError, ValueError, click.ClickException) as error:
            reasons[line] = repr(error)
    return reasons


def test_shown_commands_are_accepted() -> None:
    assert refused(shown()) == {}


@pytest.mark.parametrize(
    "line", ["enabel", "enable --modle x", "usage --by", "serve --port x", "model ues"]
)
def test_wrong_command_is_rejected(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(shlex.split(line))
    assert refused(["list", line]).keys() == {line}


def test_commands_are_found_in_most_documents() -> None:
    assert len(shown()) > 40
    assert len([document for document in DOCUMENTS if document.commands()]) > 8


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("uv run --no-default-groups codex-shim serve", [["codex-shim", "serve"]]),
        ("docker exec codex-shim codex-shim enable", [["codex-shim", "enable"]]),
        ("A=b codex-shim list --all", [["codex-shim", "list", "--all"]]),
        ("uv tool uninstall codex-shim", [["uv", "tool", "uninstall", "codex-shim"]]),
        ("git pull && codex-shim restart", [["git", "pull"], ["codex-shim", "restart"]]),
    ],
)
def test_commands_of_a_line_are_found(line: str, found: list[list[str]]) -> None:
    assert list(simple_commands(line)) == found


def test_inline_code_and_blocks_are_read() -> None:
    commands = Document("docs/install.md").commands()
    assert {"service install", "list", "disable"} <= set(commands)
