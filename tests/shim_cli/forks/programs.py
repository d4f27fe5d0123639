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
READ_BY_A_FORK = {"PYTHONUNBUFFERED"}
MODULE = "from shim_cli.start import main; main()"
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
    if sys.platform != "linux" or any(name.startswith(READ_AT_START) for name in read):
        return None
    match command:
        case [sys.executable, "-P", "-c", code, *args] if code in CODES:
            return Program(_server_of(args), code, ["-c", *args])
        case [sys.executable, "-P", "-c", code, *args] if OF_TOOLS.fullmatch(code):
            return Program("tools", code, ["-c", *args])
        case [sys.executable, "-P", "-m", "shim_cli", *args]:
            return Program(_server_of(args), MODULE, [f"{shim_cli.__path__[0]}/__main__.py", *args])
        case [sys.executable, "-P", "-m", "shim_cli.state.takeover", port, settings]:
            code = f"from shim_cli.state.takeover import main; main({port}, {settings!r})"
            return Program("commands", code, ["-c"])
        case [binary, *args] if binary == str(BINARIES / "codex-shim"):
            return Program(_server_of(args), MODULE, list(command))
        case [binary, *args] if binary in {str(BINARIES / "mitmdump"), str(BINARIES / "mitmweb")}:
            code = f"import sys; {TOOL.format(Path(binary).name)}"
            return Program("tools", code, list(command))
    return None


def _server_of(args: Sequence[str]) -> Server:
    return SERVERS.get(args[0], "commands") if args else "commands"
