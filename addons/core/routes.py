"""The table of routes: slug → route. Built from its sources, frozen, and replaced as a whole when a source changes.

Invariant: a request is resolved to a route once, in this table, and nothing downstream looks at the slug again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from addons.core.circuits import Circuit
from addons.core.frozen import turn_value
from addons.core.turn import Answer, ClientRequest, Fault, Head, Plan, StreamLocal

PlanMaker = Callable[[ClientRequest, "Route"], Plan]
MakeEntry = Callable[[str], Mapping[str, object]]


BRANDS: Mapping[str, str] = {
    "anthropic": "Anthropic", "chatgpt": "ChatGPT", "cursor": "Cursor", "deepseek": "DeepSeek", "ollama": "Ollama",
    "openai": "OpenAI", "openrouter": "OpenRouter", "openai-responses": "OpenAI",
}  # fmt: skip
"""Provider → its name for people, where that is not the word itself."""


def provider_name(provider: str) -> str:
    """Return the name of a provider for people."""
    return BRANDS.get(provider, provider)


@dataclass(frozen=True, slots=True)
class Route:
    """One slug, and the provider and model that answer its turns."""

    slug: str
    display_name: str
    provider: str
    """`chatgpt`, `demo`, …; also the `owned_by` of GET /v1/models."""
    model: str
    """The model that the upstream is asked for."""
    entry: Mapping[str, object]
    """The catalog entry for the newest Codex. For a model of the account it is the account's own entry, unchanged."""
    make_plan: PlanMaker
    unavailable_reason: str = ""
    """Why the route is not offered, with the command to type; empty when it is live."""
    make_entry: MakeEntry | None = None
    """Makes the entry for a version of Codex; None if the entry is the same for all of them."""
    circuit: Circuit = field(default_factory=Circuit, compare=False)
    label: str = ""
    """The name of its upstream for people (`addons.core.settings.labels`); empty for that of the provider."""

    def entry_for(self, client_version: str) -> Mapping[str, object]:
        """Return the catalog entry for this version of Codex; an empty version is an unknown one."""
        return self.make_entry(client_version) if self.make_entry else self.entry

    @property
    def live(self) -> bool:
        """Whether turns can use this route now."""
        return not self.unavailable_reason

    @property
    def hidden(self) -> bool:
        """Whether Codex does not offer the model to the user."""
        return self.entry.get("visibility") in ("hide", "none")


def route_label(route: Route) -> str:
    """Return the label of the upstream of a route."""
    return route.label or provider_name(route.provider)


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Every route by slug, in catalog order, and the aliases of slugs."""

    routes: Mapping[str, Route] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    own_aliases: Mapping[str, str] = field(default_factory=dict)
    """Aliases that the user wrote. One with a live model wins over a route that is hidden or not live."""
    helpers: str = ""
    """The slug or alias of the model for Codex's helper calls; empty for none in particular."""
    websocket: bool = False
    """Whether the config of Codex lets it send turns over a WebSocket."""
    has_budgets: bool = False
    """Whether turns are checked against budgets."""

    @classmethod
    def of(
        cls,
        routes: Iterable[Route],
        aliases: Mapping[str, str] | None = None,
        own_aliases: Mapping[str, str] | None = None,
        helpers: str = "",
        *,
        websocket: bool = False,
        has_budgets: bool = False,
    ) -> RouteTable:
        """Build the table. The first route of a slug wins."""
        table: dict[str, Route] = {}
        for route in routes:
            table.setdefault(route.slug, route)
        own = dict(own_aliases or {})
        all_aliases = {**(aliases or {}), **own}
        return cls(table, all_aliases, own, helpers, websocket, has_budgets)

    def resolve(self, slug: str) -> Route | None:
        """Return the route of a slug or alias, live or not."""
        route = self.routes.get(slug)
        if route is None:
            return self.routes.get(self.aliases.get(slug, ""))
        if slug in self.own_aliases and (route.hidden or not route.live):
            named = self.routes.get(self.own_aliases[slug])
            return named if named and named.live else route
        return route

    @property
    def first_live(self) -> Route | None:
        """The first route that is offered and not hidden; else the first that is offered."""
        live = self.live
        return next((route for route in live if not route.hidden), live[0] if live else None)

    @property
    def live(self) -> tuple[Route, ...]:
        """The routes that are offered, in catalog order."""
        return tuple(route for route in self.routes.values() if route.live)

    def for_client(self, client_version: str) -> RouteTable:
        """Return the table with the catalog entries for this version of Codex."""
        routes = {
            slug: replace(route, entry=route.entry_for(client_version), make_entry=None)
            if route.make_entry
            else route
            for slug, route in self.routes.items()
        }
        return RouteTable(routes, self.aliases, websocket=self.websocket)


# Plans without an upstream ----------------------------------------------------------------------------------


class LocalPlan(ABC):
    """Base of the plans that ask no upstream: `start` gives the only step, a StreamLocal or an Answer."""

    __slots__ = ()

    @abstractmethod
    def start(self) -> StreamLocal | Answer:
        """Return the only step."""

    def on_head(self, head: Head) -> NoReturn:
        """Raise AssertionError: no upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> NoReturn:
        """Raise AssertionError: no upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> NoReturn:
        """Raise AssertionError: no upstream was asked."""
        raise AssertionError(fault)


@turn_value(frozen=True, slots=True)
class OneStepPlan(LocalPlan):
    """A local plan whose step is known when the plan is made."""

    step: StreamLocal | Answer

    def start(self) -> StreamLocal | Answer:
        """Return the step."""
        return self.step
