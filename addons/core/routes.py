"""The table of routes: slug → route. Built from its sources, frozen, and replaced as a whole when a source changes.

Each route has a circuit breaker, which says whether a turn asks the route's upstream or a fallback at once. Closed: the
upstream is asked. Open: it is not, until a time. Half-open: the time has come, and one turn asks the upstream while the
others still go to a fallback. A used-up limit opens the circuit until the upstream's own reset; a refused login, failed
connections and errors of the server open it for a pause that doubles with each opening in a row.

Never reads a clock. Invariants: a request is resolved to a route once, in this table, and nothing downstream looks at the
slug again; a circuit is about one account or key, and closed for any other; what a turn learnt from an upstream that it
asked before the circuit opened neither closes nor prolongs it. Source of the rules: outlier detection of Envoy 1.39
(consecutive errors of the server and of the gateway, base and maximum ejection time), 2026-11.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, NoReturn

from addons.core.frozen import turn_value
from addons.core.turn import Answer, ClientRequest, Fault, Head, Plan, StreamLocal

PlanMaker = Callable[[ClientRequest, "Route"], Plan]
MakeEntry = Callable[[str], Mapping[str, object]]


class Cause(StrEnum):
    """Why a circuit opened."""

    USED_UP = "used_up"
    """A limit or a balance of the account."""
    LOGIN = "login"
    """The login or the key was refused."""
    UNREACHABLE = "unreachable"
    FAILING = "failing"
    """Errors of the server."""


class State(StrEnum):
    """The states of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


FAILURES_TO_OPEN = {Cause.USED_UP: 1, Cause.LOGIN: 1, Cause.UNREACHABLE: 3, Cause.FAILING: 3}
"""How many turns in a row fail before the circuit opens. A turn has retries of its own before it fails. Envoy counts
requests, five in a row."""
BASE_SECONDS, MAX_SECONDS = 30.0, 300.0
"""How long a circuit stays open when the upstream names no time: at first, and at most. Both are those of Envoy."""
MAX_RESET_SECONDS = 35 * 86_400.0
"""No reset is further away: the longest window of a plan is a month."""
TRIAL_SECONDS = 60.0
"""How long the others wait for the turn that tries a half-open route: its upstream may be silent."""
OF_THE_MOMENT = frozenset({Cause.UNREACHABLE, Cause.FAILING})
"""What an upstream that was asked earlier says nothing about now."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Why a circuit is open, and until when."""

    cause: Cause
    until: float
    """Unix seconds."""
    is_reset: bool
    """Whether the upstream named the time."""


class Asked(NamedTuple):
    """What a turn asks at the moment when it asks: the account, and after which opening of the circuit."""

    subject: object
    openings: int


class Circuit:
    """The state of one route. Routes that share an account share a circuit."""

    __slots__ = ("_failures", "_identity", "_of", "_opened", "_opening", "_openings", "_trial_until")  # fmt: skip

    def __init__(self, identity: Callable[[], object] = lambda: None) -> None:
        """`identity` returns what the state is about, such as the account: of another one nothing is known."""
        self._identity = identity
        self._of: object = None
        self._failures = 0
        self._opened = 0
        """Openings in a row, without a success between them."""
        self._openings = 0
        """All openings."""
        self._opening: Opening | None = None
        self._trial_until = 0.0

    def admits(self, now: float) -> bool:
        """Return whether this turn may ask the upstream. In a half-open circuit, the turn becomes the one that tries."""
        opening = self.opening
        if opening is None:
            return True
        if now < opening.until or now < self._trial_until:
            return False
        self._trial_until = now + TRIAL_SECONDS
        return True

    def state(self, now: float) -> State:
        """Return the state."""
        opening = self.opening
        if opening is None:
            return State.CLOSED
        return State.OPEN if now < opening.until else State.HALF_OPEN

    @property
    def asked(self) -> Asked:
        """What a turn asks that asks now."""
        return Asked(self._identity(), self._openings)

    @property
    def opening(self) -> Opening | None:
        """Why the circuit is not closed; None when it is."""
        if self._opening:
            self._forget_another()
        return self._opening

    def _forget_another(self) -> None:
        if self._of != (subject := self._identity()):
            self._close()
            self._of = subject

    def _is_stale(self, asked: Asked) -> bool:
        """Return whether the circuit opened after the upstream was asked."""
        return self._opening is not None and asked.openings != self._openings

    def trial_ended(self, asked: Asked) -> None:
        """Let another turn try a half-open route: the one that was to try it asked nobody, or its client left."""
        if not self._is_stale(asked):
            self._trial_until = 0.0

    def succeeded(self, asked: Asked | None = None) -> None:
        """Close the circuit: the upstream answered, to a turn that did not ask it before the circuit opened."""
        if asked is None or (asked.subject == self._identity() and not self._is_stale(asked)):
            self._close()

    def _close(self) -> None:
        self._failures = self._opened = 0
        self._opening, self._trial_until = None, 0.0

    def failed(
        self, cause: Cause, now: float, reset: float | None = None, asked: Asked | None = None
    ) -> None:
        """Count a failed turn. `reset`: when the upstream will answer again, in Unix seconds, if it said so."""
        if asked is not None and asked.subject != self._identity():
            return
        self._forget_another()
        if self._opening and now < self._opening.until:
            # a turn that began before the circuit opened
            return
        if asked is not None and cause in OF_THE_MOMENT and self._is_stale(asked):
            return
        self._failures += 1
        is_trial = self._opening is not None
        if self._failures < FAILURES_TO_OPEN[cause] and not is_trial:
            return
        self._open(cause, now, reset)

    def _open(self, cause: Cause, now: float, reset: float | None) -> None:
        self._trial_until = 0.0
        self._openings += 1
        if reset is not None and now < reset <= now + MAX_RESET_SECONDS:
            self._opening = Opening(cause, reset, is_reset=True)
            return
        pause = min(BASE_SECONDS * 2.0 ** min(self._opened, 10), MAX_SECONDS)
        self._opened += 1
        self._opening = Opening(cause, now + pause, is_reset=False)


BRANDS: Mapping[str, str] = {
    "anthropic": "Anthropic", "chatgpt": "ChatGPT", "cursor": "Cursor", "deepseek": "DeepSeek", "ollama": "Ollama",
    "openai": "OpenAI", "openrouter": "OpenRouter", "openai-responses": "OpenAI",
}  # fmt: skip
"""Provider → its name for people, where that is not the word itself."""


def provider_name(provider: str) -> str:
    """Return the name of a provider for people."""
    return BRANDS.get(provider, provider)


SHARE = 0.2
"""Of the turns that run, how many may retry at the same time."""
MIN_CONCURRENCY = 3
"""How many may, however few run. Share and minimum are those of Envoy."""


class RouteRetries:
    """One per route: how many turns run, and how many of them wait for a retry or for its outcome.

    So retries do not multiply the load on an upstream. Source: the retry budget of Envoy 1.39 (`budget_percent`,
    `min_retry_concurrency`), 2026-11.
    """

    __slots__ = ("retrying", "running")

    def __init__(self) -> None:
        self.running = 0
        self.retrying = 0

    @property
    def may_retry(self) -> bool:
        """Whether one more turn may retry now."""
        return self.retrying < max(MIN_CONCURRENCY, SHARE * self.running)


class TurnRetries:
    """The part of one turn."""

    __slots__ = ("_is_retrying", "_is_running", "_route")

    def __init__(self, route: RouteRetries) -> None:
        self._route = route
        self._is_running = self._is_retrying = False

    def begin(self) -> None:
        """Count the turn as running."""
        if not self._is_running:
            self._is_running = True
            self._route.running += 1

    def retry(self) -> bool:
        """Return whether the turn may retry, and count it. The outcome of its last retry is known."""
        self.settle()
        if self._route.may_retry:
            self._is_retrying = True
            self._route.retrying += 1
        return self._is_retrying

    def settle(self) -> None:
        """Stop counting the retry: its outcome is known."""
        if self._is_retrying:
            self._is_retrying = False
            self._route.retrying -= 1

    def end(self) -> None:
        """Stop counting the turn."""
        self.settle()
        if self._is_running:
            self._is_running = False
            self._route.running -= 1


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
    vision: str = ""
    """The slug of the model that describes pictures for this one, which takes none; empty without one."""
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
    searches: bool = False
    """Whether the config of Codex offers its web search to every model: somebody answers for rows."""

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
        searches: bool = False,
    ) -> RouteTable:
        """Build the table. The first route of a slug wins."""
        table: dict[str, Route] = {}
        for route in routes:
            table.setdefault(route.slug, route)
        own = dict(own_aliases or {})
        all_aliases = {**(aliases or {}), **own}
        return cls(table, all_aliases, own, helpers, websocket, has_budgets, searches)

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
        return RouteTable(routes, self.aliases, websocket=self.websocket, searches=self.searches)


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
