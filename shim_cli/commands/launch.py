"""`codex-shim codex -- ARGS`: run Codex once through the shim, without writing into Codex's folder.

Never does: put the local token on a command line, which every user of the machine can read. Invariant: Codex replaces
this process, so signals and the exit code are Codex's own; the user's arguments come last, so they take precedence. `resume ID`
of a thread that belongs to Codex's own provider runs without the shim: Codex changes no thread's provider on resume.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from addons.adapters.codex.activate import (
    ActivationError,
    uses_api_key,
    uses_chatgpt_login,
    write_catalog,
)
from addons.adapters.codex.cli import CodexCli
from addons.adapters.codex.config_file import CodexConfig
from addons.adapters.codex.thread_index import Thread
from addons.adapters.codex.thread_moves import ThreadMoveError, ThreadMoves
from addons.adapters.system.local_token import ensure_token
from addons.adapters.system.paths import catalog_file
from addons.core.codex.provider_config import (
    TOKEN_VARIABLE,
    arguments,
    config_for,
    token_in_environment,
)
from addons.core.codex.rollout import BUILT_IN
from shim_cli.commands.model import default_slug, table_with
from shim_cli.console.errors import CliError
from shim_cli.state.daemon import ensure_started
from shim_cli.state.processes import replace_process

LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSTALL = "npm install -g @openai/codex"
NPM_ENTRY = Path("node_modules", "@openai", "codex", "bin", "codex.js")
"""The script that npm's batch file runs on Windows, relative to that file."""


def launch(env: Mapping[str, str], port: int, settings: Path | None, args: Sequence[str]) -> int:
    """Start the shim if it is not running, then run Codex in place of this process. Raises CliError."""
    codex = codex_command(env)
    if thread := _own_thread(env, args):
        typer.echo(_own_notice(thread), err=True)
        return _run([*codex, *_own_arguments(env, thread), *args], dict(env))
    started = ensure_started(env, port, settings)
    if not started.was_running:
        typer.echo(started.notice(port), err=True)
    table = table_with(env, settings, None)
    try:
        table = write_catalog(env, table)
    except ActivationError as error:
        raise CliError(str(error), error.advice) from error
    slug = default_slug(env, table)
    # In an argument a relative path would mean the working folder.
    config = config_for(
        slug,
        port,
        str(catalog_file(env)),
        token_in_environment(),
        chatgpt_login=uses_chatgpt_login(env),
        api_key=uses_api_key(env),
        websocket=table.websocket,
        searches=table.searches,
    )
    return _run([*codex, *arguments(config), *args], child_env(env, ensure_token(env)))


def _run(argv: list[str], env: dict[str, str]) -> int:
    try:
        return replace_process(argv, env)
    except OSError as error:
        msg = f"{argv[0]} could not be started: {error.strerror}"
        raise CliError(msg, f"Install it: {INSTALL}") from error


def _own_thread(env: Mapping[str, str], args: Sequence[str]) -> Thread | None:
    """Return the thread that `resume ID` names, if it belongs to Codex's own provider, which cannot use the shim."""
    if "resume" not in args:
        return None
    named = set(args[args.index("resume") + 1 :])
    try:
        threads = ThreadMoves(env).threads()
    except ThreadMoveError:
        # Codex will say what is wrong with its threads.
        return None
    return next((one for one in threads if one.id in named and one.provider == BUILT_IN), None)


def _own_notice(thread: Thread) -> str:
    return (
        "This thread belongs to Codex's own provider, so Codex runs without the shim. "
        f"To continue it with the shim: codex-shim threads move --to shim {thread.id}"
    )


def _own_arguments(env: Mapping[str, str], thread: Thread) -> list[str]:
    """Return the arguments that select Codex's own provider, and the thread's model, where the config has the shim's."""
    if CodexConfig(env).find_active_model() is None:
        return []
    values = {"model_provider": BUILT_IN, **({"model": thread.model} if thread.model else {})}
    return arguments(values)


def codex_command(env: Mapping[str, str], platform: str = sys.platform) -> list[str]:
    """Return the command that starts Codex. Raises CliError."""
    found = CodexCli.find(env)
    binary = shutil.which(found.binary, path=env.get("PATH", "")) if found else None
    if not binary:
        msg = "Codex was not found on PATH, and CODEX_BIN does not name it"
        raise CliError(msg, f"Install it: {INSTALL}")
    return unwrap_batch_file(binary, Path.is_file) if platform == "win32" else [binary]


def unwrap_batch_file(binary: str, is_file: Callable[[Path], bool]) -> list[str]:
    """Return the command inside npm's batch file: `cmd` would interpret the quotes in the arguments."""
    script = Path(binary).parent / NPM_ENTRY
    if Path(binary).suffix.lower() in {".cmd", ".bat", ".ps1"} and is_file(script):
        return ["node", str(script)]
    return [binary]


def child_env(env: Mapping[str, str], token: str) -> dict[str, str]:
    """Return Codex's environment: with the local token, and no proxy between Codex and the shim."""
    no_proxy = with_loopback(env.get("NO_PROXY") or env.get("no_proxy") or "")
    return {**env, TOKEN_VARIABLE: token, "NO_PROXY": no_proxy, "no_proxy": no_proxy}


def with_loopback(entries: str) -> str:
    """Return a NO_PROXY value that includes the loopback addresses."""
    named = [entry.strip() for entry in entries.split(",") if entry.strip()]
    if "*" in named:
        return entries
    return ",".join([*named, *(name for name in LOOPBACK if name not in named)])
