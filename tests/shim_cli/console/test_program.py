from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer

from shim_cli.app import app
from shim_cli.console.program import SECTIONS
from tests.shim_cli.run import shim
from tests.shim_cli.test_app_golden import everything


@cache
def root() -> click.Group:
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    return group


def example_lines() -> Iterator[str]:
    for command in [root(), *everything().values()]:
        yield from (command.epilog or "").splitlines()


def test_every_command_is_in_one_section() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    shown = [name for name, command in root().commands.items() if not command.hidden]

    assert sorted(listed) == sorted(shown)


@pytest.mark.parametrize("args", [["-h"], ["help"]], ids=" ".join)
def test_help_has_three_forms(tmp_path: Path, args: list[str]) -> None:
    ran = shim(tmp_path, *args)

    assert (ran.returncode, ran.stdout) == (0, shim(tmp_path, "--help").stdout)


@pytest.mark.parametrize("name", ["enable", "model use", "threads"])
def test_help_before_a_command_is_its_help(tmp_path: Path, name: str) -> None:
    expected = shim(tmp_path, *name.split(), "--help").stdout

    assert shim(tmp_path, "help", *name.split()).stdout == expected
    assert shim(tmp_path, *name.split(), "-h").stdout == expected
    assert f"Usage: codex-shim {name}" in expected


def test_group_has_a_help_command(tmp_path: Path) -> None:
    assert (
        shim(tmp_path, "model", "help", "use").stdout == shim(tmp_path, "model", "use", "-h").stdout
    )


def test_help_of_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    ran = shim(tmp_path, "help", "enabel")

    assert ran.returncode == 2
    assert "No such command 'enabel'. Did you mean 'enable'?" in ran.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("statsu", "status"), ("model usse", "use"), ("modle use x", "model"), ("thread", "threads"), ("zzzz", "")],
)  # fmt: skip
def test_mistyped_command_gets_one_suggestion(tmp_path: Path, typed: str, meant: str) -> None:
    ran = shim(tmp_path, *typed.split())

    assert ran.returncode == 2
    assert ran.stderr.count("Did you mean") == bool(meant)
    if meant:
        assert f"Did you mean '{meant}'?" in ran.stderr


@pytest.mark.parametrize("line", example_lines())
def test_example_is_a_command_with_known_options(line: str) -> None:
    words = shlex.split(line.partition("      ")[0])
    assert words[0] == "codex-shim"
    words = words[1 : words.index("--")] if "--" in words else words[1:]
    words = words[: words.index(">")] if ">" in words else words
    words = words[: words.index(">>")] if ">>" in words else words
    group: click.Command = root()
    while isinstance(group, click.Group) and words[0] != "help":
        group = group.commands[words.pop(0)]
    known = {name for each in group.params for name in each.opts}
    # "-" alone is the standard input
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


def test_help_describes_the_arguments(tmp_path: Path) -> None:
    described = shim(tmp_path, "model", "use", "--help").stdout

    assert "A slug, or part of a display name." in described


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["usage", "--by", "thred"], "'turn'. Did you mean 'thread'?"),
        (["usage", "--by", "colour"], "'turn'.\n"),
        (["doctor", "modls"], "Did you mean 'models'?"),
        (["threads", "move", "--to", "shm"], "Did you mean 'shim'?"),
        (["usage", "--sinse", "3d"], "No such option '--sinse'. Did you mean '--since'?"),
        (["usage", "--colour"], "No such option '--colour'.\n"),
    ],
    ids=" ".join,
)
def test_mistyped_word_gets_one_suggestion(tmp_path: Path, args: list[str], says: str) -> None:
    ran = shim(tmp_path, *args)

    assert ran.returncode == 2
    assert says in ran.stderr
    assert ran.stderr.count("Did you mean") <= 1
