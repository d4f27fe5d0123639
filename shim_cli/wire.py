"""`codex-shim enable`, `disable` and `model use`: Codex's own config pointed at the shim, and back.

Never does: point Codex at a shim that does not answer. Invariant: `enable` starts the shim before it changes the file,
and `disable` changes the file before it stops the shim, so that Codex is never left with a way that leads nowhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from addons.origins.codex_config import Change, CodexConfig, ConfigError
from addons.origins.wiring import Wired
from shim_cli.codex_config import read_config
from shim_cli.daemon import Started, end, ensure_started
from shim_cli.errors import CliError
from shim_cli.model import use
from shim_cli.run_state import read_state

OLDER = "codex-shim disable --older"


def enable(env: Mapping[str, str], asked: str | None, port: int, settings: Path | None) -> int:
    """Start the shim and make Codex use it. Raises CliError; Codex's config is then unchanged."""
    started = ensure_started(env, port, settings)
    wired = use(env, asked, port, settings)
    typer.echo("\n".join([*told(wired, started), *overrides(env)]))
    return 0


def overrides(env: Mapping[str, str]) -> Iterator[str]:
    """What in the file wins over the block: a profile, with which Codex from 0.169 on does not even start."""
    if profile := read_config(env).profile:
        yield f"The file chooses the profile {profile!r}, which wins over all this. Take that line out of it."


def told(wired: Wired, started: Started) -> Iterator[str]:
    """What was done, and how to undo it."""
    yield wired.message
    yield f"  shim    running at {started.url} (pid {started.pid})"
    if wired.change.backup:
        yield f"  backup  {wired.change.backup}"
    yield from warnings(wired.change)
    yield "Undo it: codex-shim disable"


def warnings(change: Change) -> Iterator[str]:
    """What is wrong with the file beside what was done."""
    if change.open_to_others:
        path = shlex.quote(str(change.path))
        yield f"  Other users can read the local token in it. Close it: chmod 600 {path}"
    if change.is_link:
        yield "  It is a symlink: if it leads into a repository, do not commit the local token."
    if change.older:
        yield f"  The block of an earlier shim is in it, out of force. Remove it: {OLDER}"


def disable(env: Mapping[str, str], port: int, *, older: bool) -> int:
    """Take our block out of Codex's config, then stop the shim that `start` started. Raises CliError."""
    config = CodexConfig(env)
    try:
        change = config.unwire()
        cleaned = config.clean_older() if older else None
    except ConfigError as error:
        raise CliError(str(error), error.advice) from error
    typer.echo("\n".join(_undone(change, cleaned)))
    state = read_state(env, port)
    if state and state.detached and (told := end(env, port)):
        typer.echo(told)
    return 0


def _undone(change: Change, cleaned: Change | None) -> Iterator[str]:
    if change.removed:
        yield f"Removed {change.path}: there was none before."
    elif change.written:
        yield f"{change.path} is as it was before; Codex goes its own way from its next start on."
    else:
        yield f"{change.path} has no block of codex-shim: nothing to take out."
    if cleaned and cleaned.written:
        yield f"The blocks of an earlier shim are out, too. The file before: {cleaned.backup}"
    elif change.older and not cleaned:
        yield f"The block of an earlier shim is in it. Take it out: {OLDER}"
