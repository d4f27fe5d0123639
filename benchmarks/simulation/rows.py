"""The simulated routes: rows of three protocols, a local source, a plan with fallbacks, and a row with a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from addons.adapters.ledger.budget_keeper import BudgetKeeper, BudgetSources
from addons.core.codex.threads import USER
from addons.core.errors import SSE_HEADERS, Problem, failed_event, problem_of
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.translator import ProtocolTranslator
from addons.core.providers.fallback import Fallbacks
from addons.core.providers.responses import ResponsesProvider
from addons.core.providers.translated import TranslatedProvider
from addons.core.routes import LocalPlan, OneStepPlan, PlanMaker, Route, RouteTable
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.models_file import NO_ROWS
from addons.core.settings.root import Settings
from addons.core.telemetry.budgets import Budget
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import (
    Answer,
    ClientRequest,
    EndsWithTurn,
    Fault,
    Head,
    Plan,
    Sink,
    Step,
    StreamLocal,
    TurnNotes,
)
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from benchmarks.simulation.clock import Clock
from benchmarks.simulation.host import LIMITS, PlannedError
from benchmarks.simulation.scripts import MARK
from benchmarks.simulation.watch import (
    BUDGET_TOKENS,
    METERED,
    METERED_HOST,
    PLAN,
    PLAN_HOST,
    SPARE,
    SPARE_HOST,
    Watch,
)

LOCAL = "local"
ORIGINS = {
    "chat": (Protocol.CHAT, Origin("http", "chat.test", 80), "/v1/chat/completions"),
    "messages": (Protocol.MESSAGES, Origin("http", "messages.test", 80), "/v1/messages"),
    "responses": (Protocol.RESPONSES, Origin("http", "native.test", 80), "/v1/responses"),
    PLAN: (Protocol.RESPONSES, Origin("http", PLAN_HOST, 80), "/v1/responses"),
    SPARE: (Protocol.MESSAGES, Origin("http", SPARE_HOST, 80), "/v1/messages"),
    METERED: (Protocol.CHAT, Origin("http", METERED_HOST, 80), "/v1/chat/completions"),
}
PLAIN_SLUGS = ["chat", "messages", "responses", LOCAL]
FAILOVER_SLUGS = [PLAN, PLAN, PLAN, PLAN, SPARE, METERED, METERED, LOCAL]
FALLBACKS = {PLAN: (SPARE, LOCAL)}
"""Slug → its fallbacks. The last one can always be asked: the plan is never asked before its reset."""
BUDGETS = (Budget("metered", "model", "tokens", BUDGET_TOKENS, METERED),)
NO_FILE = Path("/nonexistent/simulation")
START = 1_800_000_000.0
"""Unix seconds at the begin of each episode."""


class _Key:
    def __init__(self, origin: Origin) -> None:
        self._headers = (SecretHeader(b"authorization", Secret("k" * 20), origin, b"Bearer "),)

    def current(self) -> tuple[SecretHeader, ...]:
        return self._headers

    def refused(self) -> None:
        """Nothing to fetch."""


class _LocalTranslator:
    """Passes the bytes of the local source on."""

    def __init__(self) -> None:
        self.terminal = False

    def feed(self, data: bytes) -> bytes:
        self.terminal = self.terminal or b'"response.completed"' in data
        return data

    def finish(self) -> bytes:
        return b"" if self.terminal else failed_event(Problem(502, "no_terminal", "ended early"))

    def fail(self, fault: Fault) -> bytes:
        return b"" if self.terminal else failed_event(problem_of(fault))


@dataclass(slots=True)
class _Local(LocalPlan):
    clock: Clock

    def start(self) -> StreamLocal:
        fails = self.clock.chance(0.2)

        async def source(sink: Sink) -> None:
            for number in range(3):
                delta = {"type": "response.output_text.delta", "delta": f"demo {number}"}
                await sink.write(b"data: " + orjson.dumps(delta) + b"\n\n")
                if fails and number:
                    raise PlannedError
            await sink.write(b'data: {"type":"response.completed"}\n\n')

        return StreamLocal(Head(200, SSE_HEADERS), source, _LocalTranslator())


class _RaisingPlan:
    """A plan that raises once, at its n-th method."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._left = number

    def _next(self, call: Callable[[], Step]) -> Step:
        self._left -= 1
        if self._left == 0:
            raise PlannedError
        return call()

    def start(self) -> Step:
        return self._next(self._plan.start)

    def on_head(self, head: Head) -> Step:
        return self._next(lambda: self._plan.on_head(head))

    def on_body(self, head: Head, body: bytes) -> Step:
        return self._next(lambda: self._plan.on_body(head, body))

    def on_fault(self, fault: Fault) -> Step:
        return self._next(lambda: self._plan.on_fault(fault))

    def ended(self) -> None:
        if isinstance(self._plan, EndsWithTurn):
            self._plan.ended()


class Rows:
    """Makes the plans of all turns, as the product's router does."""

    def __init__(self, clock: Clock, watch: Watch) -> None:
        self.running: Callable[[], Sequence[TurnNotes]] = tuple
        """Returns the notes of the turns that run now."""
        self._clock = clock
        self._watch = watch
        self._numbers = 0
        fallbacks = Fallbacks(self._seconds)
        self._table = RouteTable.of(
            [self._route(slug, fallbacks) for slug in [*ORIGINS, LOCAL]], has_budgets=True
        )
        sources = BudgetSources(
            settings=lambda: Settings(budgets=BUDGETS),
            rows=lambda: NO_ROWS,
            table=lambda: self._table,
            running=lambda: self.running(),  # noqa: PLW0108  it is set later
        )
        self._budgets = BudgetKeeper(NO_FILE, NO_FILE, sources, self._seconds, self._seconds)
        self._budgets.is_counting = True  # there is no ledger to be read

    def plan(self, request: ClientRequest) -> Plan:
        """Make the plan of a request. One in a hundred raises somewhere."""
        slug = str(orjson.loads(request.body)["model"])
        turn = int(MARK.findall(request.body)[-1])
        request.notes.note_slug(slug, b"thread")
        request.notes.agent = USER
        self._watch.begins(turn, slug)
        route = self._table.routes[slug]
        if refusal := self._budgets.refusal(request, route):
            self._watch.refused(turn)
            return OneStepPlan(Answer(refusal))
        request.notes.row = slug
        request.notes.note_route(route.provider, route.model)
        plan = route.make_plan(request, route)
        if slug != PLAN and self._clock.chance(0.01):
            # a plan that raises takes no notice of what its upstream sent
            return _RaisingPlan(plan, self._clock.random.randrange(1, 4))
        return plan

    def ended(self, record: TurnRecord) -> None:
        """Count a turn that has ended."""
        record.started = self._seconds()  # the recorder reads the real clock
        self._budgets.note(record)

    def _route(self, slug: str, fallbacks: Fallbacks) -> Route:
        make: PlanMaker = lambda *_: _Local(self._clock)  # noqa: E731
        if slug != LOCAL:
            make = self._row(slug).plan
        if named := FALLBACKS.get(slug):
            make = fallbacks.maker(make, lambda: [self._table.routes[other] for other in named])
        return Route(slug, slug, slug, slug, {}, make)

    def _row(self, slug: str) -> TranslatedProvider | ResponsesProvider:
        protocol, origin, path = ORIGINS[slug]
        target = Target(slug, slug, slug, slug, protocol, origin, path)
        key = _Key(origin)
        if protocol is Protocol.RESPONSES:
            return ResponsesProvider(target=target, key=key, clock=self._seconds, limits=LIMITS)
        translator = chat if protocol is Protocol.CHAT else messages
        return TranslatedProvider(
            target=target,
            key=key,
            translator=cast("ProtocolTranslator", translator),
            read=read_request,
            ids=self._id,
            clock=self._seconds,
            limits=LIMITS,
        )

    def _seconds(self) -> float:
        return START + self._clock.now

    def _id(self) -> str:
        self._numbers += 1
        return f"id{self._numbers}"
