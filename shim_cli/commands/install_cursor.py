"""`codex-shim-install-cursor-composer`: make Cursor's Composer the model that Codex uses, in one step.

Never does: log in, run cursor-agent for anything but its login status. Invariant: if Composer cannot be used, Codex's
files do not change and no shim is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from addons.adapters.route_sources import RouteSources
from addons.adapters.system.paths import catalog_file
from addons.core.cursor.catalog import SLUG, describe_policy
from addons.core.cursor.settings import cursor_settings
from addons.core.routes import Route
from shim_cli.commands.enable import enabled_lines
from shim_cli.commands.model import select_model
from shim_cli.console.command_line import DEFAULT_PORT
from shim_cli.console.entry_point import run
from shim_cli.console.errors import CliError
from shim_cli.console.options import Port, Settings
from shim_cli.state.daemon import Started, ensure_started
from shim_cli.state.health import probe
from shim_cli.state.sources import open_sources_with_warnings

NAME = "codex-shim-install-cursor-composer"

program = typer.Typer(
    name=NAME, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@program.command()
def install_cursor_composer(port: Port = DEFAULT_PORT, settings: Settings = None) -> None:
    """Make Cursor's Composer 2.5 the model that Codex uses.

    Checks your cursor-agent login, writes the model catalog and the block in Codex's config, and starts the shim.
    Without a login it changes nothing.
    """
    raise typer.Exit(install(os.environ, port, settings))


def install(env: Mapping[str, str], port: int, settings: Path | None) -> int:
    """Enable Composer and report what was done. Raises CliError; Codex's config is then unchanged."""
    route = composer_route(env, settings)
    started = ensure_started(env, port, settings)
    first, *rest = enabled_lines(select_model(env, route.slug, port, settings).activation, started)
    typer.echo(
        "\n".join((first, *_details(env, route), *_running_shim_warning(started, port), *rest))
    )
    return 0


def composer_route(env: Mapping[str, str], settings: Path | None) -> Route:
    """Return the route of Composer after refreshing the login. Raises CliError if it cannot be used."""
    sources = open_sources_with_warnings(env, settings)
    asyncio.run(_refresh(sources))
    route = sources.table().resolve(SLUG)
    if route is None or not route.live:
        reason = (route.unavailable_reason if route else "") or sources.reasons.get("cursor", "")
        msg = f"{SLUG} cannot be used, so nothing was changed. {reason}".rstrip()
        raise CliError(msg, f"Then run `{NAME}` again.")
    return route


async def _refresh(sources: RouteSources) -> None:
    await sources.cursor.agent.refresh()
    await sources.refresh()
    if not sources.cursor.reason:
        # The shim that starts next reads the saved status.
        sources.cursor.agent.save()


def _details(env: Mapping[str, str], route: Route) -> Iterator[str]:
    settings = cursor_settings(env)
    yield f"  model   {route.display_name}, through your own cursor-agent login"
    yield f"  catalog {catalog_file(env)}"
    yield f"  folder  {settings.workspace or 'the working folder of Codex'}"
    yield f"  policy  {describe_policy(settings)}"


def _running_shim_warning(started: Started, port: int) -> Iterator[str]:
    """Warn if a shim that was already running does not offer Composer: its PATH and variables may differ."""
    report = probe(port).report
    if not started.was_running or report.get("cursor_passthrough") is not False:
        return
    reasons = report.get("reasons")
    reason = reasons.get("cursor", "") if isinstance(reasons, dict) else ""
    yield f"  The running shim does not offer it: {reason} If this persists: codex-shim restart"


def main() -> None:
    """Run the `codex-shim-install-cursor-composer` console script."""
    run(lambda: typer.main.get_command(program)(prog_name=NAME))
