"""Run the shim inside this environment's own mitmdump or mitmweb.

Never does: import mitmproxy, use another installation of it. Invariant: the listener is bound to 127.0.0.1 and the
flow's host is the dead sink, unless the user's own arguments, which come last, say otherwise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from addons.origins.umask import VARIABLE as UMASK
from addons.origins.umask import users_umask, write_for_owner_only
from shim_cli.browser import is_headless
from shim_cli.errors import CliError

Tool = Literal["mitmdump", "mitmweb"]

# mitmproxy has no `python -m` entry. -P keeps the current folder off the module path: a project that is worked on
# must not be able to run code in us.
_START = "import sys; from mitmproxy.tools.main import {tool}; sys.argv[0] = '{tool}'; sys.exit({tool}())"


WEB_COLUMNS = ("icon", "method", "path", "status", "comment", "size", "time")
"""The comment says where a turn went and what it took; no column says whether TLS was used on loopback."""


def addon_file() -> Path:
    """The absolute path of the addon that mitmproxy loads. Raises CliError when it is missing."""
    spec = find_spec("addons")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], "codex_shim.py").absolute() if folders else None
    if not path or not path.is_file():
        msg = "the addon is missing from this installation"
        raise CliError(
            msg, "Install codex-shim again, for example `uv tool install --force codex-shim`."
        )
    return path


def run_tool(tool: Tool, port: int, settings: Path | None, args: Sequence[str]) -> int:
    """Run the tool until it ends, with this terminal and its Ctrl-C. Gives its exit code."""
    # what -w writes holds whole conversations
    write_for_owner_only()
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    env = {UMASK: f"{users_umask():o}", **os.environ}
    if settings:
        env["CODEX_SHIM_SETTINGS"] = str(settings.absolute())
    return _hand_over(command_of(tool, addon_file(), port, args, env), env)


def command_of(
    tool: Tool, addon: Path, port: int, args: Sequence[str], env: Mapping[str, str]
) -> list[str]:
    """The whole command line."""
    # Stock mitmproxy would listen on every interface, and connect to the sink for each client.
    shim = ["-s", str(addon), "--mode", f"reverse:http://127.0.0.1:9@127.0.0.1:{port}"]
    options = ["--set", "connection_strategy=lazy", "--set", "keep_host_header=true"]
    # What Codex was told is part of what one wants to read, and mitmproxy forgets what it streamed.
    options += ["--set", "store_streamed_bodies=true"]
    views = _web_options(env) if tool == "mitmweb" else []
    start = [sys.executable, "-P", "-c", _START.format(tool=tool)]
    return [*start, *shim, *options, *views, *args]


def _web_options(env: Mapping[str, str]) -> list[str]:
    options = ["--web-host", "127.0.0.1"]
    for column in WEB_COLUMNS:
        options += ["--set", f"web_columns={column}"]
    return [*options, "--no-web-open-browser"] if is_headless(env) else options


def _hand_over(command: list[str], env: Mapping[str, str]) -> int:
    sys.stdout.flush()
    if os.name == "posix":
        # The tool takes this process's place, so that signals and the exit code are its own.
        os.execve(command[0], command, env)  # noqa: S606 - our own interpreter, and no shell
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return subprocess.call(command, env=env)  # noqa: S603 - our own interpreter, and no shell
