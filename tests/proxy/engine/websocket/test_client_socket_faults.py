"""What a client or an upstream may do wrong: the turn ends, the upstream's work ends, nothing waits for ever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context

from addons.core.limits import Limits
from addons.core.protocols.responses.websocket.history import Histories, History
from addons.proxy.engine.request_side import RequestSide
from addons.proxy.engine.websocket.client_socket import ClientSocket, SwitchProtocols
from tests.boundary.scripts import DONE, begins, silence, turn
from tests.proxy.engine.websocket.sockets import Line, line, switching
from tests.proxy.engine.websocket.test_client_socket import whole
from tests.support.client import client
from tests.support.engine import QUICK, engine, only_stream, to_ports
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until
from tests.support.websocket import (
    BINARY,
    CLOSE,
    PING,
    TEXT,
    Closed,
    Socket,
    create,
    frame,
    handshake,
)

FIRST = b'data: {"n":1}\n\n'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"{}"), 1003),
        (frame(TEXT, create(), masked=False), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 1002),
        (frame(CLOSE, b"\x03\xe8"), 1000),
        (frame(CLOSE, b""), 1000),
    ],
)
@pytest.mark.parametrize("is_live", [False, True])
async def test_other_frames_close_the_connection_and_end_its_turn(
    data: bytes, code: int, is_live: bool
) -> None:
    async with line(begins(FIRST)) as at:
        if is_live:
            await at.socket.send(create())
            assert await at.socket.event() == {"n": 1}
        await at.socket.raw.send(data)
        closed = await at.socket.closed()
        assert closed.code == code
        assert await at.socket.raw.eof() == b""
        await until(lambda: not at.proxy.engine.live_turns)
        if is_live:
            await at.up.gone.wait()
            await until(lambda: at.proxy.addon.log[-1] == "error")
            record = at.proxy.flow.metadata["codex_shim"]
            assert record["ended"] == "client_left"


def _eof(at: Line) -> None:
    at.socket.raw.writer.write_eof()


def _fin(at: Line) -> None:
    at.socket.raw.close()


def _reset(at: Line) -> None:
    at.socket.raw.abort()


@pytest.mark.parametrize("leave", [_eof, _fin, _reset])
@pytest.mark.parametrize("script", [silence, begins(FIRST)])
async def test_client_that_leaves_ends_the_upstream_at_once(
    leave: Callable[[Line], None], script: Callable[[Exchange], object]
) -> None:
    async with line(script) as at:  # type: ignore[arg-type]
        await at.socket.send(create())
        await at.socket.send(create())
        await until(lambda: at.up.requests)
        leave(at)
        await at.up.gone.wait()
        await until(lambda: not at.proxy.engine.live_turns)
        assert len(at.up.requests) == 1
        assert at.proxy.addon.log.count("error") == 1


async def test_client_that_leaves_a_held_turn_sends_nothing_upstream() -> None:
    async with line(turn) as at:
        at.proxy.addon.acts["request"] = lambda flow: (
            flow.intercept() if flow.request.method == "POST" else None
        )
        await at.socket.send(create())
        await until(lambda: at.proxy.flow.intercepted)
        at.socket.raw.abort()
        await until(lambda: at.proxy.flow.client_conn.state.value == 0)
        at.proxy.flow.resume()
        await until(lambda: not at.proxy.engine.live_turns)
        assert not at.up.requests


async def cut(exchange: Exchange) -> None:
    await exchange.sse_head()
    await exchange.chunk(FIRST)
    exchange.cut()


async def cut_inside_an_event(exchange: Exchange) -> None:
    await exchange.sse_head()
    await exchange.chunk(FIRST)
    await exchange.chunk(b'data: {"type":"response.out')
    exchange.cut()


@pytest.mark.parametrize("script", [cut, cut_inside_an_event])
async def test_cut_of_the_upstream_is_one_failed_response(
    script: Callable[[Exchange], object],
) -> None:
    async with line(script, turn) as at:  # type: ignore[arg-type]
        await at.socket.send(create())
        assert await at.socket.event() == {"n": 1}
        await at.socket.raw.send(frame(PING, b"p"))
        texts = []
        while not (
            isinstance(text := await at.socket.text(), Closed) or b"response.failed" in text
        ):
            texts.append(text)
        assert isinstance(text, bytes)
        assert b"stream_interrupted" in text
        assert (await at.socket.ask())[-1]["type"] == "response.completed"


async def test_answer_that_can_only_break_off_closes_the_connection() -> None:
    async def encoded(exchange: Exchange) -> None:
        await exchange.head(
            b"content-type: text/event-stream", b"content-encoding: gzip", b"content-length: 100"
        )
        await exchange.send(b"x")
        exchange.cut()

    async with line(encoded) as at:
        await at.socket.send(create())
        assert (await at.socket.closed()).code == 1011
        await until(lambda: not at.proxy.engine.live_turns)


async def test_endless_event_ends_the_turn_and_the_connection() -> None:
    async with line(begins(b"data: " + b"x" * 2000), limits=replace(QUICK, body_bytes=1000)) as at:
        await at.socket.send(create())
        closed = await at.socket.closed()
        assert closed.code == 1009
        await at.up.gone.wait()
        await until(lambda: not at.proxy.engine.live_turns)


async def test_pings_are_answered_at_any_time() -> None:
    async with line(begins(FIRST)) as at:
        await at.socket.raw.send(frame(PING, b"idle"))
        await at.socket.send(create())
        assert await at.socket.event() == {"n": 1}
        await at.socket.raw.send(frame(PING, b"live"))
        while b"live" not in at.socket.pongs:
            assert (await at.socket.event())["type"] == "response.heartbeat"
        assert at.socket.pongs == [b"idle", b"live"]


async def test_frame_that_does_not_come_to_its_end_closes_the_connection() -> None:
    async with line(turn, limits=replace(QUICK, body_seconds=0.3)) as at:
        assert (await at.socket.ask())[-1]["type"] == "response.completed"
        await at.socket.raw.send(frame(TEXT, create())[:20])
        closed = await at.socket.closed()
        assert (closed.code, "body_seconds" in closed.reason) == (1008, True)


@dataclass
class Clock:
    """What a connection needs of the engine."""

    limits: Limits = field(default_factory=lambda: replace(QUICK, body_seconds=10.0))
    histories: Histories = field(default_factory=lambda: Histories(lambda: 1000))
    at: float = 0.0

    def now(self) -> float:
        return self.at


def test_each_message_has_its_own_time() -> None:
    """One read may end a message and begin the next one."""
    clock, client_ = Clock(), Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2))
    switch = SwitchProtocols(1, http.Request.make("GET", "http://x/v1/responses"), b"")
    socket = ClientSocket(Context(client_, Options()), switch, RequestSide(clock.limits), clock)
    wakeups: list[commands.RequestWakeup] = []

    def closes(event: events.Event) -> bool:
        found = list(socket.handle_event(event))
        wakeups.extend(each for each in found if isinstance(each, commands.RequestWakeup))
        return any(isinstance(each, commands.CloseConnection) for each in found)

    def closes_at(seconds: float) -> bool:
        clock.at = seconds
        return closes(events.Wakeup(wakeups[-1]))

    list(socket.handle_event(events.Start()))
    first, second = frame(TEXT, b"no JSON"), frame(TEXT, create())
    assert not closes(events.DataReceived(client_, first[:9]))
    clock.at = 9.0
    assert not closes(events.DataReceived(client_, first[9:] + second[:9]))
    assert not closes_at(12.0)
    assert closes_at(19.0)


async def test_one_byte_at_a_time_is_fine() -> None:
    async with line(turn) as at:
        for byte in frame(TEXT, create(input=["ä€"])):
            await at.socket.raw.send(bytes((byte,)))
        assert (await at.socket.turn())[-1]["type"] == "response.completed"


async def test_frame_may_come_with_the_upgrade_itself() -> None:
    async with (
        upstream(turn) as up,
        engine(switching(to_ports(up.port))) as proxy,
        client(proxy.port) as raw,
    ):
        await raw.send(handshake("/v1/responses") + frame(TEXT, create()) + frame(PING, b"p"))
        assert (await raw.head()).status == 101
        socket = Socket(raw)
        assert (await socket.turn())[-1]["type"] == "response.completed"
        assert socket.pongs == [b"p"]


async def test_head_of_the_101_has_nothing_but_the_handshake() -> None:
    async with (
        upstream(turn) as up,
        engine(switching(to_ports(up.port))) as proxy,
        client(proxy.port) as raw,
    ):
        await raw.send(handshake("/v1/responses"))
        lines = (await raw.head()).head.rstrip().split(b"\r\n")
        names = {one.partition(b":")[0].lower() for one in lines[1:]}
        assert lines[0].startswith(b"HTTP/1.1 101")
        assert names == {b"connection", b"upgrade", b"sec-websocket-accept"}


async def test_exception_in_the_connection_closes_it_and_ends_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with line(begins(FIRST)) as at:
        await at.socket.send(create(input=[{"n": 1}]))
        assert await at.socket.event() == {"n": 1}
        assert at.proxy.engine.histories.size
        (layer,) = at.proxy.layers
        connection = layer.connections[layer.context.client]
        monkeypatch.setattr(connection, "_read", lambda _: 1 / 0)
        await at.socket.raw.send(frame(PING, b""))
        assert (await at.socket.closed()) == Closed(None)
        await at.up.gone.wait()
        await until(lambda: not at.proxy.engine.live_turns)
        assert at.proxy.engine.histories.size == 0


async def test_slow_client_holds_the_upstream_back() -> None:
    sent = 0

    async def flood(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.sse_head()
        for _ in range(400):
            await exchange.chunk(b'data: {"x":"%s"}\n\n' % (b"y" * 100_000))
            sent += 1
        await exchange.chunk(DONE)
        await exchange.end()

    async with line(flood) as at:
        transport = at.socket.raw.writer.transport
        assert isinstance(transport, asyncio.Transport)
        await at.socket.send(create())
        transport.pause_reading()
        await until(lambda: sent)
        await until(lambda: at.proxy.engine.unsent_bytes(only_stream(at.proxy.engine)))
        assert sent < 400
        transport.resume_reading()
        events = await at.socket.turn()
        assert len(events) == 401


@pytest.mark.parametrize("depth", [300, 2000])
async def test_frame_that_is_nested_too_deeply_is_refused_and_the_next_one_served(
    depth: int,
) -> None:
    async with line(turn) as at:
        nested = b"[" * depth + b"]" * depth
        await at.socket.send(create(input=["deep"]).replace(b'"deep"', nested))
        refusal = await at.socket.event()
        assert (refusal["status"], refusal["error"]["code"]) == (422, "invalid_frame")
        assert (await at.socket.ask())[-1]["type"] == "response.completed"
        assert len(at.up.requests) == 1


@pytest.mark.parametrize("leave", [_eof, _reset])
async def test_client_that_leaves_leaves_no_history_in_memory(
    leave: Callable[[Line], None],
) -> None:
    def kept() -> list[History]:
        return [each for each in gc.get_objects() if isinstance(each, History) and each.size]

    async with line(whole) as at:
        await at.socket.ask(input=[{"n": 1}])
        gc.disable()
        try:
            assert len(kept()) == 1
            leave(at)
            await until(lambda: not kept())
        finally:
            gc.enable()
