"""`codex-shim enable`, `disable` and `model use`: point Codex's config at the shim, and restore it.

Never does: point Codex at a shim that does not answer. Invariant: `enable` starts the shim before it changes the file,
and `disable` changes the file before it stops the shim, so Codex never uses a port that nothing listens on.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import typer

from addons.adapters.codex.activate import Activation
from addons.adapters.codex.config_file import Change, CodexConfig, ConfigError
from addons.core.codex.features import Feature, grouped
from addons.core.codex.provider_config import PROVIDER_ID
from addons.core.codex.rollout import BUILT_IN
from shim_cli.commands.model import Selection, require_name, select_model
from shim_cli.commands.threads import move_all_for_enable, other_threads, restored_threads
from shim_cli.console.errors import CliError
from shim_cli.console.terminal import fitted
from shim_cli.state.codex_config import read_config
from shim_cli.state.daemon import Started, ensure_started, stop_daemon
from shim_cli.state.run_state import read_state

MAX_NAMES = 8
FEATURE_INDENT = len("  off     ")
DISABLE_OLDER = "codex-shim disable --older"


def enable(
    env: Mapping[str, str],
    requested: str | None,
    port: int,
    settings: Path | None,
    threads: Literal["ignore", "count", "move"] = "ignore",
) -> int:
    """Start the shim and make Codex use it. Raises CliError; Codex's config is then unchanged.

    `threads` tells what to do about those of Codex's own provider. If moving them fails, the config stays changed.
    """
    require_name(requested)
    if sys.stderr.isatty():
        typer.echo("Starting the shim and reading the models…", err=True)
    started = ensure_started(env, port, settings)
    before = CodexConfig(env).configured_model()
    selection = select_model(env, requested, port, settings)
    first, *rest = enabled_lines(selection.activation, started)
    choice = _choice_lines(selection, before)
    typer.echo("\n".join([first, *choice, *rest, *_profile_warning(env)]))
    if threads == "move":
        move_all_for_enable(env)
    elif threads == "count":
        _echo_all(other_threads(env, BUILT_IN))
    return 0


def _choice_lines(selection: Selection, before: str | None) -> Iterator[str]:
    """Say why this model was chosen, and which one it replaces."""
    slug = selection.activation.slug
    if selection.reason:
        yield f"  model   {slug}, {selection.reason}"
    elif before and before != slug:
        yield f"  model   {slug}, instead of {before}"


def _profile_warning(env: Mapping[str, str]) -> Iterator[str]:
    """Warn of a profile: it overrides the block, and Codex 0.169 and later does not start with one."""
    if profile := read_config(env).profile:
        yield f"The file selects the profile {profile!r}, which overrides these settings. Remove that line."


def enabled_lines(activation: Activation, started: Started) -> Iterator[str]:
    """Return the report of `enable`: what was done and how to undo it."""
    yield activation.message
    yield f"  shim    running at {started.url} (pid {started.pid})"
    if activation.change.backup:
        yield f"  backup  {activation.change.backup}"
    yield from _feature_lines(activation.features)
    yield from _warnings(activation.change)
    yield "Undo: codex-shim disable"


def _feature_lines(found: tuple[Feature, ...]) -> Iterator[str]:
    for each in grouped(found):
        line = f"  on      {each.name}" if each.is_on else f"  off     {each.name}: {each.reason}"
        yield fitted(line, FEATURE_INDENT, sys.stdout)


def _warnings(change: Change) -> Iterator[str]:
    """Warn of problems of the config file itself."""
    if change.open_to_others:
        path = shlex.quote(str(change.path))
        yield f"  Other users can read the local token in this file. Fix it: chmod 600 {path}"
    if change.is_link:
        yield "  The file is a symlink. If its target is in a repository, do not commit the local token."
    if change.has_legacy_block:
        yield f"  The file has a block of an earlier shim, now without effect. Remove it: {DISABLE_OLDER}"


def disable(env: Mapping[str, str], port: int, *, older: bool) -> int:
    """Remove the block from Codex's config, then stop the shim if it runs in the background. Raises CliError."""
    config = CodexConfig(env)
    try:
        change = config.remove()
        cleaned = config.remove_legacy_blocks() if older else None
    except ConfigError as error:
        raise CliError(str(error), error.advice) from error
    typer.echo("\n".join(_disabled_lines(change, cleaned)))
    _echo_all(restored_threads(env))
    _echo_all(other_threads(env, PROVIDER_ID))
    state = read_state(env, port)
    if state and state.detached and (stopped := stop_daemon(env, port)):
        typer.echo(stopped)
    return 0


def _echo_all(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _disabled_lines(change: Change, cleaned: Change | None) -> Iterator[str]:
    if change.removed:
        yield f"Removed {change.path}, which did not exist before."
    elif change.written:
        yield f"Restored {change.path}. Codex will stop using the shim the next time you start it."
    else:
        yield f"{change.path} has no block of codex-shim: nothing to remove."
    if change.written and change.changed:
        yield f"Changed since `enable`, by Codex or by you, and left so: {_names(change.changed)}"
    if cleaned and cleaned.written:
        yield f"Removed the blocks of an earlier shim, too. Backup: {cleaned.backup}"
    elif change.has_legacy_block and not cleaned:
        yield f"The file has a block of an earlier shim. Remove it: {DISABLE_OLDER}"
