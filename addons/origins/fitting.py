"""The models whose catalog entries the installed Codex takes: one that it cannot read keeps it from starting at all.

An account may be offered models that an older Codex does not know how to describe. Never does: change an entry. Invariant:
what is left over was taken by the binary as a whole, or is judged by our own rules where there is none to ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from addons.core.catalog import codex_shape, problems_of
from addons.core.routes import Route, RouteTable
from addons.origins.codex_cli import CodexCli, CodexCliError

UPDATE = "npm install -g @openai/codex"
_COLUMN = re.compile(r" at line 1 column (\d+)$")
_BEFORE = len(b'{"models":[')


@dataclass(frozen=True, slots=True)
class Fit:
    """What became of a table that was held against Codex."""

    table: RouteTable
    """With the routes hidden whose entries were refused."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Slug → why."""
    problems: tuple[str, ...] = ()
    """Why Codex would not start with what is left."""
    trouble: str = ""
    """Why the binary could not be asked; then the problems are those of our rules."""

    @property
    def catalog(self) -> bytes:
        """The catalog of what is left."""
        return _catalog(self.table.live)


def fit_to(codex: CodexCli | None, table: RouteTable) -> Fit:
    """Hold the live routes against the installed Codex, which knows best, else against our rules."""
    trouble = "No Codex is installed, so the catalog was checked by our own rules."
    if codex:
        try:
            return _tried(codex, table)
        except CodexCliError as error:
            trouble = f"Checked by our own rules: {error}."
    problems = problems_of(orjson.loads(_catalog(table.live)))
    return Fit(table, problems=tuple(str(problem) for problem in problems), trouble=trouble)


def _tried(codex: CodexCli, table: RouteTable) -> Fit:
    refused: dict[str, str] = {}
    while True:
        left = _without(table, refused)
        refusal = codex.refusal_of(_catalog(left.live))
        if not refusal:
            return Fit(left, refused)
        at = _place(refusal, left.live)
        if at is None or len(left.live) == 1:
            return Fit(left, refused, (refusal,))
        refused[left.live[at].slug] = _COLUMN.sub("", refusal)


def _without(table: RouteTable, refused: Mapping[str, str]) -> RouteTable:
    routes = [
        replace(route, hidden_because=_told(refused[slug])) if slug in refused else route
        for slug, route in table.routes.items()
    ]
    return RouteTable.of(routes, table.aliases)


def _told(reason: str) -> str:
    return f"The installed Codex does not take its catalog entry ({reason}). A newer one may: `{UPDATE}`."


def _place(refusal: str, live: Sequence[Route]) -> int | None:
    """Which entry Codex stumbled over; None when it does not say where."""
    found = _COLUMN.search(refusal)
    if not found:
        return None
    column, end = int(found[1]), _BEFORE
    for at, route in enumerate(live):
        end += len(orjson.dumps(dict(route.entry))) + 1
        if column <= end:
            return at
    return None


def _catalog(live: Sequence[Route]) -> bytes:
    return orjson.dumps(codex_shape(route.entry for route in live))
