"""What `shim_cli.plain` runs itself is what the command line would run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from shim_cli.app import app
from shim_cli.plain import plain_command
from tests.shim_cli.health_server import answering
from tests.shim_cli.run import OWN_PROCESS, environment

ENV = {"HOME": "/nowhere", "CODEX_SHIM_STATE_DIR": "/nowhere/state"}
USUAL = [
    ["list"],
    ["list", "--json"],
    ["list", "--all", "--json"],
    ["serve"],
    ["serve", "--port", "0"],
    ["serve", "--port", "65535", "--log-file", "a.log"],
    ["serve", "--port", "9", "--log-file", "/x/9.log", "--settings", "/x/models.json", "--until-eof"],
]  # fmt: skip
LIBRARIES = frozenset({"typer", "click", "rich", "ssl", "urllib.request", "subprocess", "orjson"})
PROGRAM = """
import sys
from shim_cli.start import main
try:
    main()
finally:
    sys.stderr.write("\\n".join(sys.modules))
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    def write_list(_env: object, *args: object, **named: object) -> int:
        found.append(("list", args, named))
        return 3

    def serve(host: str, port: int, settings: object, log_file: object, **named: object) -> int:
        given = {name: value for name, value in named.items() if value}
        found.append(("serve", host, port, settings, log_file, given))
        return 3

    monkeypatch.setattr("shim_cli.commands.list.write_list", write_list)
    monkeypatch.setattr("shim_cli.commands.serve.serve", serve)
    monkeypatch.setattr("shim_cli.commands.serve.end_at_eof", lambda: found.append("until eof"))
    return found


@pytest.mark.parametrize("arguments", USUAL)
def test_usual_arguments_mean_what_the_command_line_reads(
    arguments: list[str], calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CODEX_SHIM_PORT", raising=False)
    monkeypatch.setattr("shim_cli.app.require_settings_file", lambda _path: None)
    command = plain_command(arguments, ENV)
    assert command
    assert command() == 3
    plain = calls[:]
    calls.clear()
    with pytest.raises(SystemExit) as ended:
        typer.main.get_command(app)(arguments)
    assert (ended.value.code, calls) == (3, plain)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["list", "--help"],
        ["list", "--settings", "x"],
        ["list", "x"],
        ["model", "list"],
        ["--port", "9", "serve"],
        ["serve", "--port"],
        ["serve", "--port", "-1"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "many"],
        ["serve", "--port", "0" * 5000],
        ["serve", "--port", "\u0663"],
        ["serve", "--port", "9", "--port", "8"],
        ["serve", "--port=9"],
        ["serve", "--settings", ""],
        ["serve", "--until-eof", "x"],
        ["serve", "--host", "::1"],
        ["serve", "--privacy"],
        ["serve", "--", "--port"],
    ],
)
def test_other_arguments_are_left_to_the_command_line(arguments: list[str]) -> None:
    assert plain_command(arguments, ENV) is None


@pytest.mark.parametrize("port", ["", "7", "0"])
@pytest.mark.parametrize("arguments", [["serve"], ["serve", "--port", "9"]])
def test_port_of_the_environment_is_the_one_of_the_command_line(
    arguments: list[str], port: str, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {**ENV, "CODEX_SHIM_PORT": port}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    command = plain_command(arguments, env)
    assert command
    command()
    with pytest.raises(SystemExit):
        typer.main.get_command(app)(arguments)
    assert calls[0] == calls[1]


def test_port_of_the_environment_that_is_none_is_left_to_the_command_line() -> None:
    assert plain_command(["serve"], {**ENV, "CODEX_SHIM_PORT": "many"}) is None


def test_completion_is_left_to_the_command_line() -> None:
    assert plain_command(["list"], {**ENV, "_CODEX_SHIM_COMPLETE": "bash_complete"}) is None


def test_old_state_folder_is_left_to_the_command_line(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "old")}
    (tmp_path / "old" / "codex-shim").mkdir(parents=True)
    (tmp_path / "Library" / "Application Support" / "codex-shim").mkdir(parents=True)
    assert plain_command(["list"], env) is None


def test_missing_home_is_left_to_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> None:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nobody)
    assert plain_command(["list"], {}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_STATE_HOME")
def test_lost_working_folder_is_left_to_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", lost)
    env = {"HOME": "/nowhere", "XDG_STATE_HOME": "relative"}
    assert plain_command(["list"], env) is None


def test_cached_list_beside_a_running_shim_imports_no_library(tmp_path: Path) -> None:
    env = environment(tmp_path, OWN_PROCESS)
    with answering(200, b'{"ok":true,"models":1,"unavailable":[{"text":"m is used up"}]}') as port:
        write = f"from shim_cli.state.run_state import *; import os; write_state(os.environ, RunState(os.getppid(), {port}, '', 1.0, '', False))"
        subprocess.run([sys.executable, "-P", "-c", write], env=env, check=True)
        ran = [
            subprocess.run(
                [sys.executable, "-P", "-c", PROGRAM, "list"],
                env=env,
                capture_output=True,
                text=True,
                check=True,
            )
            for _ in range(2)
        ]
    loaded = set(ran[1].stderr.splitlines())
    assert "m is used up" in loaded
    assert "shim_cli.state.health" in loaded
    assert loaded & LIBRARIES == set()
