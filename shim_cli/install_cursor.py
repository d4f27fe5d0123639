"""`codex-shim-install-cursor-composer`: makes Cursor's Composer the model that Codex uses, in one step.

Never does: log anybody in, start cursor-agent for more than to ask for its login. Invariant: while Composer cannot be
used, nothing of Codex's is written, and no shim is started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from addons.core.cursor.catalog import SLUG, policy
from addons.core.cursor.settings import cursor_settings
from addons.core.routes import Route
from addons.origins.paths import catalog_file
from addons.origins.sources import Sources
from shim_cli.console import run
from shim_cli.daemon import Started, ensure_started
from shim_cli.defaults import DEFAULT_PORT
from shim_cli.errors import CliError
from shim_cli.health import probe
from shim_cli.model import use
from shim_cli.options import Port, Settings
from shim_cli.table import open_sources
from shim_cli.wire import told

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
    """Do it, and say what was done. Raises CliError; Codex's config is then unchanged."""
    route = composer(env, settings)
    started = ensure_started(env, port, settings)
    first, *rest = told(use(env, route.slug, port, settings), started)
    typer.echo("\n".join((first, *_about(env, route), *_objection(started, port), *rest)))
    return 0


def composer(env: Mapping[str, str], settings: Path | None) -> Route:
    """The route of Composer, its login asked for now. Raises CliError when it cannot be used."""
    sources = open_sources(env, settings)
    asyncio.run(_look(sources))
    route = sources.table().resolve(SLUG)
    if route is None or not route.live:
        reason = (route.hidden_because if route else "") or sources.reasons.get("cursor", "")
        msg = f"{SLUG} cannot be used, so nothing was changed. {reason}".rstrip()
        raise CliError(msg, f"Then run `{NAME}` again.")
    return route


async def _look(sources: Sources) -> None:
    await sources.cursor.agent.refresh()
    await sources.refresh()
    if not sources.cursor.reason:
        # the shim that is started next begins with it
        sources.cursor.agent.keep()


def _about(env: Mapping[str, str], route: Route) -> Iterator[str]:
    settings = cursor_settings(env)
    yield f"  model   {route.display_name}, through your own cursor-agent login"
    yield f"  catalog {catalog_file(env)}"
    yield f"  folder  {settings.workspace or 'the one that Codex works in'}"
    yield f"  policy  {policy(settings)}"


def _objection(started: Started, port: int) -> Iterator[str]:
    """What a shim that was running before says: it may have another PATH or other variables than this command."""
    report = probe(port).report
    if not started.was_running or report.get("cursor_passthrough") is not False:
        return
    reasons = report.get("reasons")
    reason = reasons.get("cursor", "") if isinstance(reasons, dict) else ""
    yield f"  The shim that runs does not offer it: {reason} If that does not pass: codex-shim restart"


def main() -> None:
    """The console script."""
    run(program, NAME)
