"""A real mitmproxy Master in the test's loop: our engine behind the smallest addon, plans given by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from mitmproxy import http, master
from mitmproxy.addons import clientplayback, core, next_layer, proxyserver, tlsconfig
from mitmproxy.connection import Client
from mitmproxy.options import Options
from mitmproxy.proxy import layer

from addons.core.errors import Problem, error_reply, failed_event, problem_of
from addons.core.limits import Limits
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import (
    Answer,
    ClientRequest,
    Fault,
    Head,
    Plan,
    Relay,
    Send,
    Step,
    UpstreamRequest,
)
from addons.proxy.engine.engine import Engine, ProxyFor, no_proxy
from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.stream import TurnStream
from tests.support.waiting import settle, until

QUICK = Limits(
    connect_seconds=5.0,
    heartbeat_seconds=0.1,
    stall_seconds=20.0,
    linger_seconds=0.2,
    drain_seconds=0.2,
    body_bytes=200_000,
)


class Plain:
    """A translator that passes bytes and knows a terminal event when it sees one."""

    def __init__(self) -> None:
        self._tail = b""
        self.terminal = False

    def feed(self, data: bytes) -> bytes:
        seen = self._tail + data
        self.terminal = self.terminal or b'"response.completed"' in seen
        self._tail = seen[-64:]
        return data

    def finish(self) -> bytes:
        return b"" if self.terminal else failed_event(Problem(502, "no_terminal", "ended early"))

    def fail(self, fault: Fault) -> bytes:
        return b"" if self.terminal else failed_event(problem_of(fault))


@dataclass
class ScriptedPlan:
    """Tries origins in order; `retry_on` statuses go on to the next one."""

    request: ClientRequest
    wires: list[UpstreamRequest]
    retry_on: frozenset[int] = frozenset()
    delay: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)

    def start(self) -> Step:
        return Send(self.wires.pop(0))

    def on_head(self, head: Head) -> Step:
        self.heads.append(head)
        if head.status in self.retry_on and self.wires:
            return Send(self.wires.pop(0), delay=self.delay)
        return Relay(head, Plain())

    def on_body(self, head: Head, body: bytes) -> Step:
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> Step:
        self.faults.append(fault)
        if self.wires:
            return Send(self.wires.pop(0), delay=self.delay)
        return Answer(error_reply(problem_of(fault), to_codex=self.request.is_codex))


BEARER = b"real-upstream-token-7c1d"


def wire_to(port: int, request: ClientRequest, scheme: str = "http") -> UpstreamRequest:
    origin = Origin("https" if scheme == "https" else "http", "127.0.0.1", port)
    secret = SecretHeader(b"authorization", Secret(BEARER), origin, b"Bearer ")
    return UpstreamRequest(
        origin,
        request.method,
        request.path,
        ((b"content-type", b"application/json"),),
        request.body,
        (secret,),
    )


MakePlan = Callable[[ClientRequest], Plan]


@dataclass
class TestRouter:
    __test__ = False
    make: MakePlan
    requests: list[ClientRequest] = field(default_factory=list)

    def plan(self, request: ClientRequest) -> Plan:
        self.requests.append(request)
        return self.make(request)


def to_ports(*ports: int, **options: object) -> MakePlan:
    def make(request: ClientRequest) -> Plan:
        plan = ScriptedPlan(request, [wire_to(port, request) for port in ports])
        return replace(plan, **options)  # type: ignore[arg-type]

    return make


class EngineAddon:
    """What the product's addon does, without a gate; keeps every flow and what hooks saw."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.flows: list[http.HTTPFlow] = []
        self.log: list[str] = []
        self.ended = asyncio.Event()
        self.break_hook = ""
        self.refusal: Problem | None = None
        self.acts: dict[str, Callable[[http.HTTPFlow], None]] = {}
        """What a test wants done in a hook."""

    def _note(self, hook: str) -> None:
        self.log.append(hook)
        if hook == self.break_hook:
            msg = f"broken {hook}"
            raise RuntimeError(msg)

    def _act(self, hook: str, flow: http.HTTPFlow) -> None:
        self._note(hook)
        if act := self.acts.get(hook):
            act(flow)

    def running(self) -> None:
        self.engine.install()

    async def done(self) -> None:
        await self.engine.shutdown()

    def client_connected(self, client: Client) -> None:
        self._note("client_connected")
        self.engine.accept(client)

    def client_disconnected(self, client: Client) -> None:
        self.engine.disconnected(client)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        self._note("next_layer")
        self.engine.choose_layer(nextlayer)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        self._act("requestheaders", flow)
        self.engine.admit_head(flow, self.refusal)

    def request(self, flow: http.HTTPFlow) -> None:
        self._act("request", flow)
        self.engine.admit_whole(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._act("responseheaders", flow)

    def response(self, flow: http.HTTPFlow) -> None:
        self.ended.set()
        self._act("response", flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self.ended.set()
        self._act("error", flow)


@dataclass
class Running:
    """The proxy under test."""

    port: int
    engine: Engine
    addon: EngineAddon
    master: master.Master
    router: TestRouter

    @property
    def flow(self) -> http.HTTPFlow:
        """The newest flow."""
        return self.addon.flows[-1]

    @property
    def layers(self) -> list[ShimHttpLayer]:
        """The HTTP layer of each client connection that has one."""
        handlers = self.master.addons.get("proxyserver").connections.values()
        found = [handler.layer.context.layers for handler in handlers]
        return [each for layers in found for each in layers if isinstance(each, ShimHttpLayer)]

    async def hooks(self, *names: str) -> None:
        """Wait until the last hooks are these."""
        await until(lambda: tuple(self.addon.log[-len(names) :]) == names)


SINK = "http://127.0.0.1:9"


class EngineMaster(master.Master):
    def __init__(self, addon: EngineAddon, mode: str, **options: object) -> None:
        super().__init__(Options(), with_termlog=False)
        self.addons.add(
            core.Core(),
            clientplayback.ClientPlayback(),
            proxyserver.Proxyserver(),
            addon,
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
        )
        self.options.update(
            mode=[f"reverse:{mode}"],
            listen_host="127.0.0.1",
            listen_port=0,
            connection_strategy="lazy",
            **options,
        )
        self.ready = asyncio.Event()

    async def running(self) -> None:
        await super().running()
        self.ready.set()


@asynccontextmanager
async def engine(
    make: MakePlan,
    limits: Limits = QUICK,
    *,
    sink: str = SINK,
    proxy_for: ProxyFor = no_proxy,
    **options: object,
) -> AsyncIterator[Running]:
    """Run the proxy. `sink` is the reverse target, where nothing may ever arrive."""
    router = TestRouter(make)
    core_engine = Engine(router, limits, proxy_for=proxy_for)
    addon = EngineAddon(core_engine)
    proxy = EngineMaster(addon, sink, **options)
    task = asyncio.create_task(proxy.run())  # noqa: TID251, RUF100  awaited below
    await proxy.ready.wait()
    port = proxy.addons.get("proxyserver").listen_addrs()[0][1]
    try:
        yield Running(port, core_engine, addon, proxy, router)
    finally:
        proxy.shutdown()  # type: ignore[no-untyped-call]
        await task
        await settle()


def only_stream(engine: Engine) -> TurnStream:
    """The stream of the one turn that runs."""
    (turn,) = engine._turns.values()
    assert isinstance(turn, TurnStream)
    return turn
