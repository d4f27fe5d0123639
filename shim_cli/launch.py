"""`codex-shim codex -- ARGS`: one run of Codex through the shim, with nothing written into Codex's folder.

Never does: put the local token on a command line, which every user of the machine can read. Invariant: Codex takes this
process's place, so its signals and its exit code are its own; the user's arguments come last, so they win.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import typer

from addons.core.codex_provider import (
    TOKEN_VARIABLE,
    arguments,
    config_of,
    token_in_environment,
)
from addons.origins.codex_cli import CodexCli
from addons.origins.local_token import ensure_token
from addons.origins.paths import catalog_file
from addons.origins.wiring import WiringError, write_catalog
from shim_cli.daemon import command, ensure_started
from shim_cli.errors import CliError
from shim_cli.model import choose, table_with

LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSTALL = "npm install -g @openai/codex"
NPM_ENTRY = Path("node_modules", "@openai", "codex", "bin", "codex.js")
"""What the batch file that npm makes on Windows runs, beside that file."""


def launch(env: Mapping[str, str], port: int, settings: Path | None, args: Sequence[str]) -> int:
    """Start the shim if none runs, then become Codex. Raises CliError."""
    codex = codex_command(env)
    started = ensure_started(env, port, settings)
    if not started.was_running:
        told = f"codex-shim runs in the background now. Stop it: {command('stop', port)}"
        typer.echo(told, err=True)
    table = table_with(env, settings, None)
    try:
        table = write_catalog(env, table)
    except WiringError as error:
        raise CliError(str(error), error.advice) from error
    slug = choose(env, table)
    config = config_of(slug, port, str(catalog_file(env)), token_in_environment())
    return _hand_over([*codex, *arguments(config), *args], child_env(env, ensure_token(env)))


def codex_command(env: Mapping[str, str], platform: str = sys.platform) -> list[str]:
    """The words that start Codex. Raises CliError."""
    found = CodexCli.find(env)
    binary = shutil.which(found.binary, path=env.get("PATH", "")) if found else None
    if not binary:
        msg = "Codex is not on PATH, nor named by CODEX_BIN"
        raise CliError(msg, INSTALL)
    return unwrapped(binary, Path.is_file) if platform == "win32" else [binary]


def unwrapped(binary: str, is_file: Callable[[Path], bool]) -> list[str]:
    """A batch file's own command: `cmd` would take the quotes of our arguments for its own."""
    script = Path(binary).parent / NPM_ENTRY
    if Path(binary).suffix.lower() in {".cmd", ".bat", ".ps1"} and is_file(script):
        return ["node", str(script)]
    return [binary]


def child_env(env: Mapping[str, str], token: str) -> dict[str, str]:
    """Codex's environment: the token, and no proxy between Codex and the shim."""
    no_proxy = without_proxy(env.get("NO_PROXY") or env.get("no_proxy") or "")
    return {**env, TOKEN_VARIABLE: token, "NO_PROXY": no_proxy, "no_proxy": no_proxy}


def without_proxy(entries: str) -> str:
    """A NO_PROXY that names this machine, too."""
    named = [entry.strip() for entry in entries.split(",") if entry.strip()]
    if "*" in named:
        return entries
    return ",".join([*named, *(name for name in LOOPBACK if name not in named)])


def _hand_over(words: list[str], env: Mapping[str, str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name == "posix":
            os.execve(words[0], words, env)  # noqa: S606  the user's own binary, and no shell
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return subprocess.call(words, env=env)  # noqa: S603  the user's own binary, and no shell
    except OSError as error:
        msg = f"{words[0]} could not be started: {error.strerror}"
        raise CliError(msg, INSTALL) from error
