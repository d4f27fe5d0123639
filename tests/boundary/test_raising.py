"""An exception at any command of the layer, of a stream or of a protocol ends the turn within a second.

The client gets a whole answer, or its connection (its stream, in HTTP/2) is closed, and no turn is left alive. A trap
raises instead of the n-th command, for n = 1, 2, … until a turn has fewer commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from mitmproxy.proxy import commands

from addons.core.turn import (
    ClientRequest,
    Collect,
    Fault,
    Head,
    Plan,
    Relay,
    Send,
    Sink,
    Step,
    StreamLocal,
)
from addons.proxy.engine.ending import EndStages
from addons.proxy.engine.http1 import ListenerHttp1, UpstreamHttp1
from addons.proxy.engine.layer import ShimHttpLayer
from addons.proxy.engine.mitmproxy_patches.http2 import ListenerHttp2
from addons.proxy.engine.pool import UpstreamPool
from addons.proxy.engine.recorder import Recorder
from addons.proxy.engine.stream import TurnStream
from tests.boundary.masters import MASTERS, Proxy
from tests.boundary.scripts import BODY, DONE, EVENT, SSE_HEAD
from tests.support.client import client
from tests.support.engine import Plain, ScriptedPlan, engine, wire_to
from tests.support.http2 import H2Client, h2_client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until

SECONDS = 1.0
WHOLE = EVENT + DONE


class Boom(Exception):  # noqa: N818
    pass


class Trap:
    """Raises once, instead of passing on the n-th command of the methods that it wraps."""

    def __init__(self, number: int) -> None:
        self.left = number

    @property
    def sprung(self) -> bool:
        return self.left <= 0

    def wrap(self, method: Callable[..., object]) -> Callable[..., object]:
        def trapped(*args: object) -> Generator[commands.Command, object, object]:
            generator = method(*args)
            assert isinstance(generator, Generator)
            reply = None
            while True:
                try:
                    command = generator.send(reply)
                except StopIteration as end:
                    return end.value
                self.left -= 1
                if self.left == 0:
                    raise Boom
                reply = yield command

        return trapped


YIELDING = {
    "stream": (TurnStream, "_on_event"),
    "steps": (TurnStream, "_carry_out"),
    "end": (EndStages, "run"),
    "layer": (ShimHttpLayer, "_on_event"),
    "connections": (ShimHttpLayer, "get_connection"),
    "upstream": (UpstreamHttp1, "_handle_event"),
    "upstream request": (UpstreamHttp1, "send"),
    "http/1 client": (ListenerHttp1, "_handle_event"),
    "http/1 answer": (ListenerHttp1, "send"),
    "http/2 client": (ListenerHttp2, "_handle_event"),
}


class Explained(ScriptedPlan):
    """Reads the body of a refusal, then tries the next upstream."""

    def on_head(self, head: Head) -> Step:
        return super().on_head(head) if head.status == 200 else Collect(1000)

    def on_body(self, head: Head, body: bytes) -> Step:
        assert (head.status, body) == (503, b"busy")
        return Send(self.wires.pop(0))


async def busy_then_whole(exchange: Exchange) -> None:
    if exchange.request.line.startswith(b"POST /busy"):
        await exchange.whole(b"busy", status=b"503 Busy")
        return
    await exchange.sse_head()
    await exchange.chunk(EVENT)
    await exchange.chunk(DONE)
    await exchange.end()


async def writes(sink: Sink) -> None:
    await sink.write(EVENT)
    await asyncio.sleep(0)
    await sink.write(DONE)


def plans(port: int) -> Callable[[ClientRequest], Plan]:
    """A refused attempt and a second one; or a local source, by the request's path."""

    def make(request: ClientRequest) -> Plan:
        if request.path == "/local":
            return ScriptedLocal(request)
        ok = wire_to(port, request)
        return Explained(request, [replace(ok, path="/busy"), ok])

    return make


class ScriptedLocal(ScriptedPlan):
    def __init__(self, request: ClientRequest) -> None:
        super().__init__(request, [])

    def start(self) -> Step:
        return StreamLocal(SSE_HEAD, writes, Plain())


Ask = Callable[[Proxy, str], Awaitable[None]]


async def ask_http1(proxy: Proxy, path: str) -> None:
    """One turn over HTTP/1: a whole answer or a closed connection."""
    async with client(proxy.port) as c:
        async with asyncio.timeout(SECONDS):
            await c.post(path, BODY)
            try:
                response = await c.response()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
        if response.complete:
            assert response.body == WHOLE or b"shim_bug" in response.body, response.body


def is_closed(c: H2Client) -> bool:
    return c.reader.at_eof() or c.writer.is_closing()


async def ask_http2(proxy: Proxy, path: str) -> None:
    """One turn over HTTP/2: a whole answer, a reset stream or a closed connection."""
    async with h2_client(proxy.port, "127.0.0.1") as c:
        async with asyncio.timeout(SECONDS):
            stream = await c.post(path)
            await until(lambda: stream in c.ended | c.reset or is_closed(c))
        if stream in c.ended:
            assert c.body[stream] == WHOLE or b"shim_bug" in c.body[stream]


ASK: dict[str, Ask] = {"http/1": ask_http1, "http/2": ask_http2}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", ["/network", "/local"])
@pytest.mark.parametrize("protocol", ASK)
@pytest.mark.parametrize("master", MASTERS)
async def test_exception_at_any_command_ends_the_turn(
    master: str, protocol: str, path: str, tmp_path: Path
) -> None:
    reached: dict[str, int] = {}
    async with upstream(busy_then_whole) as up, MASTERS[master](tmp_path, plans(up.port)) as proxy:
        for name, (owner, method) in YIELDING.items():
            for number in range(1, 1000):
                trap = Trap(number)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(owner, method, trap.wrap(getattr(owner, method)))
                    await ASK[protocol](proxy, path)
                    async with asyncio.timeout(SECONDS):
                        await until(lambda: proxy.engine.live_turns == 0)
                if not trap.sprung:
                    break
                reached[name] = number
        # and the next turn is fine
        await ASK[protocol](proxy, path)
    unused = {"http/2 client"} if protocol == "http/1" else {"http/1 client", "http/1 answer"}
    if path == "/local":
        unused |= {"upstream", "upstream request", "connections"}
    assert set(reached) == set(YIELDING) - unused


def raises(*_: object) -> Generator[commands.Command, object, object]:
    raise Boom


HIDDEN_WAITS = {
    "body in one read with its head": (UpstreamHttp1, "read_body"),
    "end of a response": (UpstreamHttp1, "mark_done"),
    "idle connection": (UpstreamPool, "checkout"),
    "record": (Recorder, "turn_ended"),
    "request to the upstream": (UpstreamHttp1, "send"),
}


async def whole_in_one_write(exchange: Exchange) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    await exchange.send(head % len(WHOLE) + WHOLE)


@pytest.mark.parametrize("protocol", ASK)
@pytest.mark.parametrize("master", MASTERS)
async def test_exception_while_a_stream_waits_ends_the_turn(
    master: str, protocol: str, tmp_path: Path
) -> None:
    async with (
        upstream(whole_in_one_write) as up,
        MASTERS[master](tmp_path, lambda r: ScriptedPlan(r, [wire_to(up.port, r)])) as proxy,
    ):
        for owner, method in HIDDEN_WAITS.values():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(owner, method, raises)
                await ASK[protocol](proxy, "/network")
                await until(lambda: proxy.engine.live_turns == 0, SECONDS)
            await ASK[protocol](proxy, "/network")


async def test_idle_connection_that_cannot_be_attached_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        upstream(busy_then_whole) as up,
        engine(lambda r: ScriptedPlan(r, [wire_to(up.port, r)])) as proxy,
    ):
        running = Proxy(proxy.engine, proxy.port)
        await ask_http1(running, "/network")
        await until(lambda: len(proxy.engine.pool) == 1)
        monkeypatch.setattr("addons.proxy.engine.pool.ConnectionIO", raises)
        await ask_http1(running, "/network")
        assert (proxy.engine.live_turns, len(proxy.engine.pool)) == (0, 0)
        monkeypatch.undo()
        await ask_http1(running, "/network")
    assert up.connections == 2


class Hopeless(Plain):
    """A translator whose every method raises."""

    def feed(self, data: bytes) -> bytes:
        raise Boom(data)

    def fail(self, fault: Fault) -> bytes:
        raise Boom(fault)


async def test_end_of_a_turn_that_always_raises_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error boundary has a last round: it does not try for ever."""
    monkeypatch.setattr(TurnStream, "_terminate", raises)
    async with (
        upstream(busy_then_whole) as up,
        engine(lambda r: Relays(r, [wire_to(up.port, r)])) as proxy,
    ):
        await ask_http1(Proxy(proxy.engine, proxy.port), "/network")
        await until(lambda: proxy.engine.live_turns == 0, SECONDS)


class Relays(ScriptedPlan):
    def on_head(self, head: Head) -> Step:
        return Relay(head, Hopeless())
