"""`codex-shim model use`: make one model the one that Codex uses, and say what was done.

Never does: start anything, ask an upstream that the answer does not hang on. Invariant: a model that cannot be used now
is never made the active one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from addons.core.routes import Route, RouteTable
from addons.origins.codex_config import CodexConfig, ConfigError
from addons.origins.paths import account_catalog_file
from addons.origins.wiring import Wired, WiringError, point_codex, write_catalog
from shim_cli.defaults import NOTHING_LIVE
from shim_cli.errors import CliError
from shim_cli.table import ask_cursor, open_sources


def use(env: Mapping[str, str], asked: str | None, port: int, settings: Path | None) -> Wired:
    """Make a model the active one: by slug, alias, upstream model, or a part of its name that only it has.

    None keeps the model that the user has, else takes the first. Raises CliError; Codex's config is then unchanged.
    """
    table = table_with(env, settings, asked)
    try:
        if asked:
            return point_codex(env, table, find(table, asked).slug, port)
        # what is chosen for the user has to be one that the installed Codex takes
        table = write_catalog(env, table)
        return point_codex(env, table, choose(env, table), port)
    except WiringError as error:
        raise CliError(str(error), error.advice) from error


def table_with(env: Mapping[str, str], settings: Path | None, asked: str | None) -> RouteTable:
    """The table; with the account's models as they are now when what is known does not hold the one asked for."""
    sources = open_sources(env, settings)
    ask_cursor(sources)
    table = sources.table()
    route = table.resolve(asked) if asked else None
    is_known = route.live if route else not asked and account_catalog_file(env).exists()
    if not is_known:
        asyncio.run(sources.refresh())
        table = sources.table()
    if not table.live:
        msg = "no model is available"
        raise CliError(msg, NOTHING_LIVE)
    return table


def find(table: RouteTable, asked: str) -> Route:
    """The route that the user means. Raises CliError."""
    if route := table.resolve(asked):
        return route
    part = asked.casefold()
    named = [route for route in table.live if part in route.display_name.casefold()]
    if len(named) == 1:
        return named[0]
    if not named:
        msg = f"there is no model {asked!r}"
        raise CliError(msg, "See which there are: codex-shim list")
    slugs = ", ".join(route.slug for route in named)
    msg = f"{asked!r} is part of several names: {slugs}"
    raise CliError(msg, f"Name one by its slug: codex-shim model use {named[0].slug}")


def choose(env: Mapping[str, str], table: RouteTable) -> str:
    """The model that the user has, as far as it can be used; else the first that Codex's picker shows."""
    config = CodexConfig(env)
    try:
        wanted = (config.active_model(), config.configured_model())
    except ConfigError as error:
        raise CliError(str(error), error.advice) from error
    for model in wanted:
        route = table.resolve(model) if model else None
        if route and route.live:
            return route.slug
    listed = (route for route in table.live if route.entry.get("visibility") == "list")
    return next(listed, table.live[0]).slug
