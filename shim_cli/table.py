"""The sources of the route table, opened for a command: what is wrong with them ends the command, or is told.

Never does: build a route itself, ask for Cursor's login inside of an event loop. Invariant: the table is the one that the proxy would serve from the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from addons.origins.sources import Sources
from shim_cli.errors import CliError


def sources_of(env: Mapping[str, str], settings: Path | None) -> Sources:
    """Open them. Raises CliError."""
    if settings and not settings.is_file():
        msg = f"{settings} does not exist or is not a file"
        raise CliError(msg, "Name an existing models.json: --settings PATH")
    try:
        return Sources(env, settings)
    except ValueError as error:
        raise CliError(str(error), "Correct the variable, then run it again.") from error


def ask_cursor(sources: Sources) -> None:
    """Ask for Cursor's login, unless a shim or a command has just done so. Takes about a second where it is installed."""
    if not sources.cursor.agent.is_fresh:
        import asyncio  # noqa: PLC0415  seldom needed, and it takes 50 ms to load

        asyncio.run(sources.cursor.agent.refresh())


def open_sources(env: Mapping[str, str], settings: Path | None) -> Sources:
    """Open them. Raises CliError; problems that leave a table are told on stderr."""
    sources = sources_of(env, settings)
    for problem in sources.problems:
        typer.echo(f"codex-shim: {problem}", err=True)
    return sources
