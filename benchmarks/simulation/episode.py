"""One episode: a few clients at once, three rows and a local source, until no action is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import orjson
from mitmproxy.options import Options

from addons.core.errors import SSE_HEADERS, Problem, failed_event, problem_of
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.translator import ProtocolTranslator
from addons.core.providers.responses import ResponsesProvider
from addons.core.providers.translated import TranslatedProvider
from addons.core.routes import LocalPlan, Route
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import ClientRequest, Fault, Head, Plan, Sink, Step, StreamLocal
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from benchmarks.simulation.clients import WAIT_SECONDS, SimulatedClient
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.host import (
    LIMITS,
    ClientHost,
    PlannedError,
    SimulatedEngine,
    new_options,
)
from benchmarks.simulation.http2_clients import Http2Client
from benchmarks.simulation.ledger import Ledger

ORIGINS = {
    "chat": (Protocol.CHAT, Origin("http", "chat.test", 80), "/v1/chat/completions"),
    "messages": (Protocol.MESSAGES, Origin("http", "messages.test", 80), "/v1/messages"),
    "responses": (Protocol.RESPONSES, Origin("http", "native.test", 80), "/v1/responses"),
}
SLUGS = [*ORIGINS, "local"]


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


class _Rows:
    """Makes the plans of all turns."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = 0
        self._rows = {slug: self._row(slug) for slug in ORIGINS}

    def plan(self, request: ClientRequest) -> Plan:
        """Make the plan of a request. One in a hundred raises somewhere."""
        slug = str(orjson.loads(request.body)["model"])
        request.notes.note_slug(slug, b"thread")
        plan = self._plan(request, slug)
        if self._clock.chance(0.01):
            return _RaisingPlan(plan, self._clock.random.randrange(1, 4))
        return plan

    def _plan(self, request: ClientRequest, slug: str) -> Plan:
        if slug == "local":
            return _Local(self._clock)
        row = self._rows[slug]
        return row.plan(request, Route(slug, slug, slug, slug, {}, row.plan))

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
        return 1_800_000_000.0 + self._clock.now

    def _id(self) -> str:
        self._numbers += 1
        return f"id{self._numbers}"


def run_episode(seed: int) -> tuple[Clock, int]:
    """Run one episode. Return its clock and the number of its turns; raise ViolationError with the trace."""
    clock = Clock(seed)
    ledger = Ledger(clock)
    engine = SimulatedEngine(clock, _Rows(clock))
    options = new_options()
    clients: list[SimulatedClient | Http2Client] = []
    turns = 0
    for number in range(clock.random.randrange(1, 8)):
        numbers = list(range(turns + 1, turns + 1 + clock.random.randrange(1, 5)))
        turns += len(numbers)
        kind = Http2Client if clock.chance(0.3) else SimulatedClient
        client = kind(clock, ledger, numbers, SLUGS)
        clients.append(client)
        begin = clock.random.choice((0.0, 0.0, 0.5, 5.0))
        clock.after(begin, "", _begin(client, engine, ledger, options, 40_000 + number))
    try:
        _run(clock, engine, clients)
    except ViolationError as error:
        error.add_note("\n".join(clock.trace))
        raise
    return clock, turns


def _run(
    clock: Clock, engine: SimulatedEngine, clients: Sequence[SimulatedClient | Http2Client]
) -> None:
    clock.run(WAIT_SECONDS)
    for client in clients:
        client.check_end()
    if engine.live_turns:
        message = f"{engine.live_turns} live turns are left"
        raise ViolationError(message)


def _begin(
    client: SimulatedClient | Http2Client,
    engine: SimulatedEngine,
    ledger: Ledger,
    options: Options,
    number: int,
) -> Callable[[], None]:
    def begin() -> None:
        host = ClientHost(
            engine,
            ledger,
            options,
            number,
            receive=client.receive,
            on_end=client.ended,
            alpn=client.alpn,
        )
        client.host = host
        client.start()

    return begin
