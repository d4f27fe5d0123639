"""`codex-shim mitmdump`, `web` and `addon-path`: run the addon in mitmdump or mitmweb of this environment.

Never does: import mitmproxy, use another installation of it. Invariant: every listener is bound to 127.0.0.1 and the
reverse target is the dead sink, unless the user's arguments, which come last, override it. A tool that serves does not
wait for a reader of its output. The port of the background shim is borrowed and given back.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import typer

from addons.adapters.system.umask import VARIABLE as UMASK
from addons.adapters.system.umask import set_private_umask, users_umask
from shim_cli.console.browser import is_headless
from shim_cli.console.errors import CliError
from shim_cli.console.settings_file import require_settings_file
from shim_cli.state.processes import replace_process
from shim_cli.state.takeover import lend_port

Tool = Literal["mitmdump", "mitmweb"]

# mitmproxy has no `python -m` entry point. -P keeps the current folder off the module path, so that a project folder
# cannot run code in this process.
_START = "import sys; from mitmproxy.tools.main import {tool}; sys.argv[0] = '{tool}'; sys.exit({tool}())"
# A write into a full pipe would stop every turn: mitmproxy prints on the event loop. It keeps the stream that it finds.
_DROP = "from shim_cli.console.outputs import drop_lost_output; drop_lost_output(); "
_PRINTS_ONLY = re.compile(r"-[qv]*[nh].*|--(?:no-server|help|version|options|commands)")
"""Arguments of a tool that serves nobody: it prints help, or the flows of a file. Its reader may be slow."""

HOOK = "codex_shim_hook"
"""The option of the addon that names hooks."""
PRIVACY = "codex_shim_privacy"
"""The option of the addon that switches the privacy gate on."""

TAKEN_OVER = (
    "The background shim on port {port} was stopped. It starts again when this program ends."
)
WEB_COLUMNS = ("comment", "time")
"""The comment says what the other columns would: the turn with its status and usage, or method and path. mitmweb gives
every column a share of the width, however little it shows."""


def addon_file() -> Path:
    """Return the absolute path of the addon script. Raises CliError if it is missing."""
    spec = find_spec("addons")
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], "codex_shim.py").absolute() if folders else None
    if not path or not path.is_file():
        msg = "the addon is missing from this installation"
        raise CliError(
            msg, "Reinstall it in your copy of the repository: `uv tool install --force .`"
        )
    return path


def run_tool(
    tool: Tool,
    port: int,
    settings: Path | None,
    args: Sequence[str],
    hooks: Sequence[str] = (),
    *,
    privacy: bool = False,
) -> int:
    """Run the tool in place of this process. Return its exit code."""
    # A flow file (-w) contains whole conversations.
    set_private_umask()
    require_settings_file(settings)
    if _serves(args) and lend_port(os.environ, port):
        typer.echo(TAKEN_OVER.format(port=port), err=True)
    env = {UMASK: f"{users_umask():o}", **os.environ}
    if settings:
        env["CODEX_SHIM_SETTINGS"] = str(settings.absolute())
    if privacy:
        args = ["--set", f"{PRIVACY}=true", *args]
    args = [*(part for name in hooks for part in ("--set", f"{HOOK}={name}")), *args]
    return replace_process(tool_command(tool, addon_file(), port, args, env), env)


def tool_command(
    tool: Tool, addon: Path, port: int, args: Sequence[str], env: Mapping[str, str]
) -> list[str]:
    """Return the command line of the tool."""
    # By default mitmproxy listens on every interface and connects to the sink for each client. A mode that the user adds
    # is a listener more, which takes its address from the option.
    shim = ["-s", str(addon), "--mode", f"reverse:http://127.0.0.1:9@127.0.0.1:{port}"]
    shim += ["--listen-host", "127.0.0.1"]
    options = ["--set", "connection_strategy=lazy", "--set", "keep_host_header=true"]
    # By default mitmproxy does not store streamed responses, so views could not show them.
    options += ["--set", "store_streamed_bodies=true"]
    views = _web_options(env) if tool == "mitmweb" else []
    code = (_DROP if _serves(args) else "") + _START.format(tool=tool)
    start = [sys.executable, "-P", "-c", code]
    return [*start, *shim, *options, *views, *args]


def _serves(args: Sequence[str]) -> bool:
    return not any(map(_PRINTS_ONLY.fullmatch, args))


def _web_options(env: Mapping[str, str]) -> list[str]:
    options = ["--web-host", "127.0.0.1"]
    for column in WEB_COLUMNS:
        options += ["--set", f"web_columns={column}"]
    return [*options, "--no-web-open-browser"] if is_headless(env) else options
