"""Which commands a fork server can run, and what each server imports before it forks.

Most of the second that a start of the shim takes is spent on imports. Never does: name a program whose start is changed,
such as `python -c` with other code. Invariant: the fork runs the code that the command would run, with the same
`sys.argv`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import shim_cli

Server = Literal["commands", "serve", "tools"]
"""A fork server is named after what it has imported: every command, or also what `serve` or mitmproxy's tools need."""

BINARIES = Path(sys.executable).parent
PYTHON = [sys.executable, "-P"]
START = [*PYTHON, "-c", "from shim_cli.app import main; main()"]
READ_AT_START = ("COVERAGE", "LANG", "LC_", "PYTHON", "TZ")
"""Beginnings of the names of variables that a process reads before the program begins."""
READ_BY_A_FORK = ("PYTHONUNBUFFERED", "LC_CTYPE")
COERCED = "C.UTF-8"
"""What LC_CTYPE is in every process of Python without a locale: the interpreter sets it (PEP 538)."""
MODULE = "from shim_cli.start import main; main()"
TAKEOVER = (
    "import sys; from shim_cli.state.takeover import main; main(int(sys.argv[1]), sys.argv[2])"
)
TOOL = "from mitmproxy.tools.main import {0}; sys.exit({0}())"
OF_TOOLS = re.compile(r".*from mitmproxy\.tools\.main import mitm(?:dump|web)\b.*")
CODES = (START[-1], "from shim_cli.commands.install_cursor import main; main()")
SERVERS: Mapping[str, Server] = {
    **dict.fromkeys(("serve", "record", "replay", "drill"), "serve"),
    **dict.fromkeys(("mitmdump", "web"), "tools"),
}
"""The servers of the commands that serve turns."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one command runs."""

    server: Server
    code: str
    argv: list[str]


def program_of(command: Sequence[str], env: Mapping[str, str]) -> Program | None:
    """Return what this command runs, or None if it needs a process of its own."""
    read = (name for name in env if name not in READ_BY_A_FORK)
    is_another_locale = env.get("LC_CTYPE", COERCED) != COERCED
    if sys.platform != "linux" or is_another_locale or any(map(_is_read_at_start, read)):
        return None
    return _program_of(command)


def with_code_before(before: str, command: Sequence[str]) -> list[str]:
    """Return a command that runs this code, then what the given command runs, in a process of its own."""
    program = _program_of(command)
    assert program
    return [*PYTHON, "-c", f"{before}\nimport sys\nsys.argv[:] = {program.argv}\n{program.code}"]


def _is_read_at_start(name: str) -> bool:
    return name.startswith(READ_AT_START)


def _program_of(command: Sequence[str]) -> Program | None:
    match command:
        case [sys.executable, "-P", "-c", code, *args] if code in CODES:
            return Program(_server_of(args), code, ["-c", *args])
        case [sys.executable, "-P", "-c", code, *args] if OF_TOOLS.fullmatch(code):
            return Program("tools", code, ["-c", *args])
        case [sys.executable, "-P", "-m", module, *args]:
            return _module(module, args)
        case [path, *args] if Path(path).parent == BINARIES:
            return _script(Path(path), args)
    return None


def _module(name: str, args: Sequence[str]) -> Program | None:
    path = f"{shim_cli.__path__[0]}/{name.partition('.')[2].replace('.', '/') or '__main__'}.py"
    if name == "shim_cli":
        return Program(_server_of(args), MODULE, [path, *args])
    if name == "shim_cli.state.takeover":
        return Program("commands", TAKEOVER, [path, *args])
    return None


def _script(path: Path, args: Sequence[str]) -> Program | None:
    if path.name == "codex-shim":
        return Program(_server_of(args), MODULE, [str(path), *args])
    if path.name in {"mitmdump", "mitmweb"}:
        return Program("tools", f"import sys; {TOOL.format(path.name)}", [str(path), *args])
    return None


def _server_of(args: Sequence[str]) -> Server:
    return SERVERS.get(args[0], "commands") if args else "commands"
