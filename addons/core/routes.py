"""The one table: slug → route. Built once from its sources, frozen, replaced as a whole when a source changes.

Invariant: a request is resolved to a route exactly once, here; nothing downstream looks at the slug again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from addons.core.turn import ClientRequest, Plan

PlanMaker = Callable[[ClientRequest, "Route"], Plan]


@dataclass(frozen=True, slots=True)
class Route:
    """One slug and where its turns go."""

    slug: str
    display_name: str
    provider: str
    """Who answers: `chatgpt`, `demo`, …; also the `owned_by` of GET /v1/models."""
    model: str
    """What the upstream is asked for."""
    entry: Mapping[str, object]
    """The catalog entry that Codex reads: for an account's slug the account's own, verbatim."""
    make_plan: PlanMaker
    hidden_because: str = ""
    """Why the route is not offered, with the command to type; empty when it is live."""

    @property
    def live(self) -> bool:
        """Whether a turn of this route can go anywhere."""
        return not self.hidden_because


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Every route by slug, in catalog order, and the aliases that lead to them."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, routes: Iterable[Route], aliases: Mapping[str, str] | None = None) -> RouteTable:
        """Build the table. The first route of a slug wins."""
        table: dict[str, Route] = {}
        for route in routes:
            table.setdefault(route.slug, route)
        return cls(table, dict(aliases or {}))

    def resolve(self, slug: str) -> Route | None:
        """Find the route of a slug or alias, live or not."""
        return self.routes.get(slug) or self.routes.get(self.aliases.get(slug, ""))

    @property
    def live(self) -> tuple[Route, ...]:
        """The routes that are offered, in catalog order."""
        return tuple(route for route in self.routes.values() if route.live)
