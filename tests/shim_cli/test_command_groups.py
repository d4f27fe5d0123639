from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim_cli.run import shim


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        ("model", ["forget", "list", "use"]),
        ("service", ["install", "remove"]),
        ("threads", ["list", "move", "undo"]),
        ("budget", ["lift", "list"]),
    ],
)
def test_help_of_a_group_lists_its_commands(
    tmp_path: Path, group: str, commands: list[str]
) -> None:
    ran = shim(tmp_path, group, "--help")

    listed = ran.stdout.partition("Commands:\n")[2].splitlines()
    assert sorted(line.split()[0] for line in listed if line) == commands


@pytest.mark.parametrize("args", [[], ["local-qwen", "--all"]])
def test_forget_needs_either_a_model_or_all(tmp_path: Path, args: list[str]) -> None:
    ran = shim(tmp_path, "model", "forget", *args)

    assert ran.returncode != 0
    assert "Name one model, or pass --all" in ran.stderr


@pytest.mark.parametrize("args", [[], ["01a229d8", "--all"]])
def test_move_needs_either_threads_or_all(tmp_path: Path, args: list[str]) -> None:
    ran = shim(tmp_path, "threads", "move", "--to", "shim", *args)

    assert ran.returncode == 1
    assert "Name threads, or pass --all" in ran.stderr


def test_threads_without_a_command_lists_them(tmp_path: Path) -> None:
    assert shim(tmp_path, "threads").stdout == shim(tmp_path, "threads", "list").stdout
