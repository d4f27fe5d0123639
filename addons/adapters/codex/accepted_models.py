"""Filters the models whose catalog entries the installed Codex accepts: one invalid entry keeps it from starting.

An account may have models whose entries an older Codex cannot read. Never does: change an entry of the account. The shim's
own entries are made for the version of the installed Codex. Invariant: the remaining catalog was accepted by the binary as
a whole, or validated by the shim's rules when no binary could check it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.core.codex.catalog import catalog_problems, codex_shape
from addons.core.codex.reasoning_levels import UNKNOWN_VERSION
from addons.core.routes import Route, RouteTable

UPDATE = "npm install -g @openai/codex"
_COLUMN = re.compile(r" at line 1 column (\d+)$")
_BEFORE = len(b'{"models":[')


@dataclass(frozen=True, slots=True)
class AcceptedModels:
    """A table after validation by Codex."""

    table: RouteTable
    """The table, with the routes hidden whose entries were rejected."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Slug → reason."""
    problems: tuple[str, ...] = ()
    """Why Codex would not start with the remaining entries."""
    fallback_reason: str = ""
    """Why the binary could not check the catalog; the problems then come from the shim's rules."""
    client_version: str = UNKNOWN_VERSION
    """The version of Codex that the entries are made for."""

    @property
    def catalog(self) -> bytes:
        """The catalog of the remaining entries."""
        return orjson.dumps(
            codex_shape((route.entry for route in self.table.live), self.client_version)
        )


def installed_version(codex: CodexCli | None) -> str:
    """Return the version of the installed Codex; UNKNOWN_VERSION without one, or when it does not tell."""
    try:
        return codex.version() if codex else UNKNOWN_VERSION
    except CodexCliError:
        return UNKNOWN_VERSION


def made_for(client_version: str, table: RouteTable) -> AcceptedModels:
    """Return the table with its entries for this version of Codex, not validated yet."""
    return AcceptedModels(table.for_client(client_version), client_version=client_version)


def filter_accepted(
    codex: CodexCli | None, table: RouteTable, client_version: str | None = None
) -> AcceptedModels:
    """Validate the live routes with the installed Codex, or with the shim's rules when that is not possible.

    `client_version` is the result of `installed_version`, if the caller has it.
    """
    fallback_reason = "No Codex is installed, so codex-shim checked the catalog with its own rules."
    if codex:
        version = installed_version(codex) if client_version is None else client_version
        try:
            return _filter_with(codex, made_for(version, table))
        except CodexCliError as error:
            fallback_reason = f"Checked with codex-shim's own rules: {error}."
    unchecked = made_for(UNKNOWN_VERSION, table)
    problems = catalog_problems(orjson.loads(unchecked.catalog))
    return replace(
        unchecked,
        problems=tuple(str(problem) for problem in problems),
        fallback_reason=fallback_reason,
    )


def _filter_with(codex: CodexCli, wanted: AcceptedModels) -> AcceptedModels:
    refused: dict[str, str] = {}
    while True:
        remaining = replace(wanted, table=_without(wanted.table, refused), refused=refused)
        error = codex.catalog_error(remaining.catalog)
        if not error:
            return remaining
        live = remaining.table.live
        at = _index_of(error, live)
        if at is None or len(live) == 1:
            return replace(remaining, problems=(error,))
        refused[live[at].slug] = _COLUMN.sub("", error)


def _without(table: RouteTable, refused: Mapping[str, str]) -> RouteTable:
    routes = [
        replace(route, unavailable_reason=_reason(refused[slug])) if slug in refused else route
        for slug, route in table.routes.items()
    ]
    return RouteTable.of(routes, table.aliases, websocket=table.websocket, searches=table.searches)


def _reason(error: str) -> str:
    return f"The installed Codex does not accept its catalog entry ({error}). A newer version may: `{UPDATE}`."


def _index_of(error: str, live: Sequence[Route]) -> int | None:
    """Return the index of the entry that Codex rejects; None when the error has no position."""
    found = _COLUMN.search(error)
    if not found:
        return None
    column, end = int(found[1]), _BEFORE
    for at, route in enumerate(live):
        end += len(orjson.dumps(dict(route.entry))) + 1
        if column <= end:
            return at
    return None
