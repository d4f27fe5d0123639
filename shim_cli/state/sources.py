"""Open the sources of the route table for a command.

Never does: build a route, refresh Cursor's login inside an event loop. Invariant: the table is the one that the proxy
would serve from the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from addons.adapters.route_sources import RouteSources
from shim_cli.console.errors import CliError
from shim_cli.console.settings_file import require_settings_file


def open_sources(env: Mapping[str, str], settings: Path | None) -> RouteSources:
    """Open the sources. Raises CliError."""
    require_settings_file(settings)
    try:
        return RouteSources(env, settings)
    except ValueError as error:
        raise CliError(str(error), "Correct the variable, then run the command again.") from error


def refresh_cursor_login(sources: RouteSources) -> None:
    """Refresh Cursor's login status unless the saved one is fresh. Takes about a second if cursor-agent is installed."""
    if not sources.cursor.agent.is_fresh:
        import asyncio  # noqa: PLC0415  rarely needed, and takes 50 ms to import

        asyncio.run(sources.cursor.agent.refresh())


def open_sources_with_warnings(env: Mapping[str, str], settings: Path | None) -> RouteSources:
    """Open the sources and write their problems to stderr. Raises CliError."""
    sources = open_sources(env, settings)
    for problem in sources.problems:
        typer.echo(f"codex-shim: {problem}", err=True)
    return sources
