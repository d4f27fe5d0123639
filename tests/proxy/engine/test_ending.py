"""Ends from outside: a client that leaves, a kill in mitmproxy, a shutdown. Each stops the upstream's work at once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from addons.core.turn import Answer, ClientRequest, Head, Plan, Reply, Sink
from tests.boundary.scripts import (
    BODY,
    DONE,
    EVENT,
    OneStep,
    answer,
    begins,
    gated,
    local_stream,
    silence,
    turn,
)
from tests.support.client import Client, Response, client
from tests.support.engine import QUICK, Running, ScriptedPlan, engine, to_ports, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import until, within

CALM = replace(QUICK, heartbeat_seconds=30, stall_seconds=30, connect_seconds=30)
CODEX = b"originator: codex_cli_rs"


@dataclass
class Scene:
    """A turn that was brought into one state, and a healthy route on the same connection."""

    proxy: Running
    client: Client
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    head: Response | None = None

    async def rest(self) -> Response:
        if self.head:
            return await self.client.rest(self.head)
        return await self.client.response()


State = Callable[[Callable[[ClientRequest], Plan]], AsyncIterator[Scene]]


def routes(
    healthy: Callable[[ClientRequest], Plan], tested: Callable[[ClientRequest], Plan]
) -> Callable[[ClientRequest], Plan]:
    return lambda request: (healthy if request.path == "/ok" else tested)(request)


@asynccontextmanager
async def intercepted() -> AsyncIterator[Scene]:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), CALM) as proxy,
        client(proxy.port) as c,
    ):
        scene = Scene(proxy, c)
        scene.stopped.set()
        proxy.addon.acts["request"] = lambda f: f.intercept() if f.request.path != "/ok" else None
        await c.post("/x", BODY)
        await until(lambda: proxy.addon.flows and proxy.flow.intercepted)
        yield scene


@asynccontextmanager
async def connecting() -> AsyncIterator[Scene]:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with upstream(turn) as up:
            make = routes(to_ports(up.port), to_ports(full.getsockname()[1]))
            async with engine(make, CALM) as proxy, client(proxy.port) as c:
                scene = Scene(proxy, c)
                await c.post("/x", BODY)
                await until(lambda: proxy.layers and proxy.layers[0].waiting_for_establishment)
                scene.stopped.set()
                yield scene
        for filler in fillers:
            filler.close()


@asynccontextmanager
async def handshaking() -> AsyncIterator[Scene]:
    async with upstream(turn) as up, upstream(silence) as mute:

        def tls(request: ClientRequest) -> Plan:
            return ScriptedPlan(request, [wire_to(mute.port, request, "https")])

        async with engine(routes(to_ports(up.port), tls), CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            await until(lambda: mute.connections)
            yield Scene(proxy, c, mute.gone)


@asynccontextmanager
async def waiting() -> AsyncIterator[Scene]:
    async with upstream(turn) as up, upstream(silence) as mute:
        make = routes(to_ports(up.port), to_ports(mute.port))
        async with engine(make, CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            await until(lambda: mute.requests)
            yield Scene(proxy, c, mute.gone)


@asynccontextmanager
async def delayed() -> AsyncIterator[Scene]:
    async with upstream(turn) as up, upstream(answer(b"503 Busy")) as busy:

        def later(request: ClientRequest) -> Plan:
            wires = [wire_to(busy.port, request)] * 2
            return ScriptedPlan(request, wires, frozenset({503}), delay=30)

        async with engine(routes(to_ports(up.port), later), CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            await within(busy.gone)
            yield Scene(proxy, c, busy.gone)
        assert len(busy.requests) == 1


@asynccontextmanager
async def streaming() -> AsyncIterator[Scene]:
    async with upstream(turn) as up, upstream(begins(EVENT)) as slow:
        make = routes(to_ports(up.port), to_ports(slow.port))
        async with engine(make, CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            scene = Scene(proxy, c, slow.gone, await c.head())
            assert await c.chunk() == EVENT
            yield scene


@asynccontextmanager
async def flooding() -> AsyncIterator[Scene]:
    """More data is at hand than was read when the end comes."""

    async def flood(exchange: object) -> None:
        await exchange.sse_head()  # type: ignore[attr-defined]
        while True:
            await exchange.chunk(EVENT * 1000)  # type: ignore[attr-defined]
            await asyncio.sleep(0)

    async with upstream(turn) as up, upstream(flood) as slow:
        make = routes(to_ports(up.port), to_ports(slow.port))
        async with engine(make, CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            scene = Scene(proxy, c, slow.gone, await c.head())
            await c.chunk()
            yield scene


@asynccontextmanager
async def synthesizing() -> AsyncIterator[Scene]:
    stopped = asyncio.Event()

    async def source(sink: Sink) -> None:
        try:
            await sink.write(EVENT)
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with upstream(turn) as up:
        make = routes(to_ports(up.port), local_stream(source))
        async with engine(make, CALM) as proxy, client(proxy.port) as c:
            await c.post("/x", BODY)
            scene = Scene(proxy, c, stopped, await c.head())
            assert await c.chunk() == EVENT
            yield scene


STATES = [
    intercepted,
    connecting,
    handshaking,
    waiting,
    delayed,
    streaming,
    flooding,
    synthesizing,
]
HEADLESS = {"intercepted", "connecting", "handshaking", "waiting", "delayed"}


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.__name__)
async def test_kill_ends_the_turn_typed_and_at_once(state: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    async with state() as scene:  # type: ignore[attr-defined]
        began = loop.time()
        scene.proxy.flow.kill()
        response = await scene.rest()
        assert loop.time() - began < 0.1 or state is flooding
        await within(scene.stopped)
        assert response.complete
        assert b"ended by hand" in response.body
        assert response.status == (503 if state.__name__ in HEADLESS else 200)
        assert scene.proxy.engine.live_turns == 0
        assert not scene.proxy.flow.live
        await scene.client.post("/ok", BODY)
        assert (await scene.client.response()).body == EVENT + DONE
        await until(lambda: not any(layer.streams for layer in scene.proxy.layers))


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.__name__)
async def test_client_that_leaves_stops_everything(state: Callable[[], object]) -> None:
    async with state() as scene:  # type: ignore[attr-defined]
        scene.client.abort()
        if state is intercepted:
            await until(lambda: not scene.proxy.layers)
            scene.proxy.flow.resume()
        await within(scene.stopped)
        await until(lambda: scene.proxy.engine.live_turns == 0)
        await until(lambda: not scene.proxy.layers)
        await until(lambda: "error" in scene.proxy.addon.log)
        assert scene.proxy.addon.log.count("error") == 1
        assert scene.proxy.flow.error
        assert scene.proxy.flow.error.msg == "Client disconnected."


@pytest.mark.parametrize("state", STATES, ids=lambda s: s.__name__)
async def test_shutdown_ends_what_does_not_finish_with_a_typed_failure(
    state: Callable[[], object],
) -> None:
    async with state() as scene:  # type: ignore[attr-defined]
        scene.proxy.engine.limits = replace(CALM, drain_seconds=0.05)
        ending = asyncio.ensure_future(scene.proxy.engine.shutdown())
        response = await scene.rest()
        async with asyncio.timeout(2):
            await ending
        assert response.complete
        assert b"shutting_down" in response.body
        assert scene.proxy.engine.live_turns == 0
        await within(scene.stopped)


async def test_shutdown_stops_listening_first_and_lets_turns_finish() -> None:
    gate = asyncio.Event()
    limits = replace(CALM, drain_seconds=5)
    async with (
        upstream(gated(EVENT, gate, DONE)) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        assert await c.chunk() == EVENT
        ending = asyncio.ensure_future(proxy.engine.shutdown())
        await until(lambda: not proxy.master.addons.get("proxyserver").listen_addrs())
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert not ending.done()
        gate.set()
        assert (await c.rest(begun)).body == DONE
        await ending


async def test_shutdown_waits_for_a_slow_client_to_take_its_answer() -> None:
    body = b"x" * (8 << 20)
    make = lambda r: OneStep(r, Answer(Reply(Head(200), body)))  # noqa: E731
    async with engine(make, CALM) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        c = Client(reader, writer)
        await c.post("/v1/responses", BODY)
        begun = await c.head()
        await until(lambda: proxy.engine.live_turns == 0)
        ending = asyncio.ensure_future(proxy.engine.shutdown())
        await until(lambda: not proxy.master.addons.get("proxyserver").listen_addrs())
        assert not ending.done()
        assert (await c.rest(begun)).body == body
        await ending
        writer.close()


async def test_kill_after_the_upstream_was_complete_adds_nothing() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE
        await until(lambda: proxy.engine.live_turns == 0)
        assert not proxy.flow.killable
        assert "kill" not in vars(proxy.flow)
        await c.post("/v1/responses", BODY)
        assert (await c.response()).body == EVENT + DONE


async def test_no_task_is_left_after_a_shutdown() -> None:
    before = asyncio.all_tasks()
    async with streaming() as scene:
        scene.client.abort()
        await within(scene.stopped)
    await until(lambda: asyncio.all_tasks() == before)


class Told(ScriptedPlan):
    """Notes that its turn has ended."""

    ends = 0

    def ended(self) -> None:
        type(self).ends += 1


@pytest.mark.parametrize("leaves", [False, True])
async def test_plan_is_told_once_that_its_turn_has_ended(leaves: bool) -> None:
    Told.ends = 0
    async with upstream(silence if leaves else turn) as up:

        def make(request: ClientRequest) -> Plan:
            return Told(request, [wire_to(up.port, request)])

        async with engine(make, CALM) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            if leaves:
                await until(lambda: bool(up.requests))
                assert Told.ends == 0
                c.close()
            else:
                await c.response()
            await until(lambda: proxy.engine.live_turns == 0)
            assert Told.ends == 1


async def test_last_byte_leaves_before_what_only_this_process_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[object] = []
    usual = asyncio.StreamWriter.write

    def write(writer: asyncio.StreamWriter, data: bytes) -> None:
        order.append(data.endswith(b"0\r\n\r\n") and DONE in data)
        usual(writer, data)

    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        monkeypatch.setattr(proxy.engine, "forget", noting(proxy.engine.forget, order))
        monkeypatch.setattr(asyncio.StreamWriter, "write", write)
        await c.post("/x", BODY)
        assert DONE in (await c.response()).body
        await until(lambda: "record" in order)
    assert order.index(True) < order.index("record")


def noting(forget: Callable[..., None], order: list[object]) -> Callable[..., None]:
    def noted(turn: object) -> None:
        order.append("record")
        forget(turn)

    return noted
