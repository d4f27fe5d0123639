"""`codex-shim model use`: select the model that Codex uses.

Never does: start a process, query an upstream that the selection does not need. Invariant: a model that is not live is
never selected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from addons.adapters.codex.activate import (
    Activation,
    ActivationError,
    activate_model,
    write_catalog,
)
from addons.adapters.codex.config_file import CodexConfig, ConfigError
from addons.adapters.system.paths import account_catalog_file
from addons.core.routes import Route, RouteTable
from addons.core.settings.near_miss import nearest
from shim_cli.console.errors import NO_MODEL_ADVICE, CliError, UsageProblem
from shim_cli.state.sources import open_sources_with_warnings, refresh_cursor_login


@dataclass(frozen=True, slots=True)
class Selection:
    """A model that Codex now uses. `reason` says why this one, if nobody named it."""

    activation: Activation
    reason: str = ""


CURSOR = "cursor"
"""The provider of Cursor's models."""


def select_model(
    env: Mapping[str, str], requested: str | None, port: int, settings: Path | None
) -> Selection:
    """Select a model by slug, alias, upstream model or a unique part of its display name.

    None keeps the current model, or selects the first. Raises CliError; Codex's config is then unchanged.
    """
    table = table_with(env, settings, requested)
    try:
        if requested is not None:
            return Selection(activate_model(env, table, find_route(table, requested).slug, port))
        # A default must be a model that the installed Codex accepts.
        table = write_catalog(env, table)
        choice = default_choice(env, table)
        return Selection(activate_model(env, table, choice.slug, port), choice.reason)
    except ActivationError as error:
        raise CliError(str(error), error.advice) from error


def table_with(env: Mapping[str, str], settings: Path | None, requested: str | None) -> RouteTable:
    """Return the route table; refresh the account's models if the known ones do not include `requested`."""
    require_name(requested)
    sources = open_sources_with_warnings(env, settings)
    refresh_cursor_login(sources)
    table = sources.table()
    route = table.resolve(requested) if requested else None
    is_known = route.live if route else not requested and account_catalog_file(env).exists()
    if not is_known:
        asyncio.run(sources.refresh())
        table = sources.table()
    if not table.live:
        msg = "no model is available"
        raise CliError(msg, NO_MODEL_ADVICE)
    return table


def require_name(requested: str | None) -> None:
    """Raise UsageProblem for a name of a model that is empty: a script with an unset variable."""
    if requested is not None and not requested.strip():
        msg = "the name of the model is empty"
        raise UsageProblem(msg, "List the models: codex-shim list")


def find_route(table: RouteTable, requested: str) -> Route:
    """Return the route that `requested` identifies. Raises CliError."""
    require_name(requested)
    if route := table.resolve(requested):
        return route
    part = requested.casefold()
    named = [route for route in table.live if part in route.display_name.casefold()]
    if len(named) == 1:
        return named[0]
    if not named:
        near = nearest(requested, (*table.routes, *table.aliases))
        meant = f". Did you mean {near!r}?" if near else ""
        msg = f"there is no model {requested!r}{meant}"
        raise CliError(msg, "List the models: codex-shim list")
    slugs = ", ".join(route.slug for route in named)
    msg = f"{requested!r} matches several models: {slugs}"
    raise CliError(msg, f"Use a slug: codex-shim model use {named[0].slug}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The model that is used when none is named. `reason` is empty if it is the one that config.toml names."""

    slug: str
    reason: str = ""


def default_slug(env: Mapping[str, str], table: RouteTable) -> str:
    """Return the slug of `default_choice`."""
    return default_choice(env, table).slug


def default_choice(env: Mapping[str, str], table: RouteTable) -> Choice:
    """Return the current model if it is live, else the first one of Codex's picker. Raises CliError.

    Cursor's models are only for who names one: they are run by another agent, with another account.
    """
    config = CodexConfig(env)
    try:
        wanted = [name for name in (config.active_model(), config.configured_model()) if name]
    except ConfigError as error:
        raise CliError(str(error), error.advice) from error
    for name in wanted:
        route = table.resolve(name)
        if route and route.live:
            return Choice(route.slug)
    others = [route for route in table.live if route.provider != CURSOR]
    if not others:
        msg = "only Cursor's models are available, and they are never chosen by default"
        raise CliError(msg, f"Name one: codex-shim enable --model {table.live[0].slug}")
    first = min(others, key=_picker_position)
    return Choice(first.slug, _reason(table, wanted))


def _picker_position(route: Route) -> tuple[bool, int]:
    priority = route.entry.get("priority")
    is_listed = route.entry.get("visibility") == "list"
    return not is_listed, priority if isinstance(priority, int) else 0


def _reason(table: RouteTable, wanted: Sequence[str]) -> str:
    if not wanted:
        return "the first one of Codex's list, because config.toml named no model"
    route = table.resolve(wanted[0])
    why = route.unavailable_reason if route else "codex-shim has no such model"
    return f"instead of {wanted[0]}: {why}"
