"""Limits of time on what a client sends, and clients that close their side of a connection early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mitmproxy.connection import ConnectionState

from addons.core.limits import Limits
from addons.proxy.engine.mitmproxy_patches.messages import MAX_AHEAD
from tests.boundary.masters import MASTERS
from tests.boundary.scripts import BODY, DONE, EVENT, begins, gated, silence, turn
from tests.support.client import Client, client
from tests.support.engine import QUICK, ScriptedPlan, engine, to_ports, wire_to
from tests.support.http2 import h2_client
from tests.support.upstream import upstream
from tests.support.waiting import LONGEST, until, within

HURRIED = replace(QUICK, body_seconds=0.3, head_seconds=0.3)
POST = b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\n"

# Half-sent requests ---------------------------------------------------------------------------------------------

HALVES = {
    "no byte of the body": POST + b"content-length: 10\r\n\r\n",
    "half of the body": POST + b"content-length: 10\r\n\r\n{}",
    "half of a chunk": POST + b"transfer-encoding: chunked\r\n\r\n9\r\n{}",
    "half of a chunk line": POST + b"transfer-encoding: chunked\r\n\r\n9",
    "no last chunk": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "half of the trailers": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: 1\r\n",
    "half of the head": POST,
    "half of the request line": b"POST /v1",
    "head without the blank line": POST + b"content-length: 0\r\n",
}


@pytest.mark.parametrize("half", HALVES)
async def test_half_sent_request_ends_with_408(half: str) -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), HURRIED) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(HALVES[half])
        rest = await c.eof()
        assert rest.startswith(b"HTTP/1.1 408 "), rest
        assert rest.count(b"HTTP/1.1 ") == 1
        assert b'"code":"request_timeout"' in rest
        await until(lambda: proxy.engine.live_turns == 0)
    assert up.requests == []


async def trickle(c: Client, data: bytes) -> None:
    """Send a byte at a time until the other side has had enough."""
    try:
        while True:
            await c.send(data)
            await asyncio.sleep(0.01)
    except ConnectionError:
        return


@pytest.mark.parametrize(
    ("begin", "data"),
    [
        (POST + b"content-length: 100000\r\n\r\n", b"x"),
        (POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (POST + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: 1\r\n"),
        (POST, b"x: 1\r\n"),
    ],
)
async def test_slow_request_is_limited_in_its_whole_time(begin: bytes, data: bytes) -> None:
    async with (
        upstream(turn) as up,
        engine(to_ports(up.port), HURRIED) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(begin)
        sending = asyncio.ensure_future(trickle(c, data))
        head = await c.head()
        assert head.status == 408
        await asyncio.wait_for(sending, LONGEST)
        await until(lambda: proxy.engine.live_turns == 0)
    assert up.requests == []


async def test_client_that_was_refused_early_must_end_its_request_too() -> None:
    limits = replace(HURRIED, body_bytes=100)
    async with engine(to_ports(1), limits) as proxy, client(proxy.port) as c:
        await c.send(POST + b"content-length: 1000\r\n\r\n{}")
        assert (await c.response()).status == 413
        assert await c.eof() == b""
        await until(lambda: not proxy.layers)


async def test_half_sent_request_over_http2_ends_with_408_and_leaves_its_neighbours(
    tmp_path: Path,
) -> None:
    gate, calm = asyncio.Event(), replace(HURRIED, heartbeat_seconds=30.0)
    async with (
        upstream(gated(EVENT, gate, DONE)) as up,
        engine(to_ports(up.port), calm, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        whole = await c.post("/whole")
        half = c.h2.get_next_available_stream_id()
        names = ((":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/half"))
        c.h2.send_headers(half, names)
        c.h2.send_data(half, b"{")
        await c.flush()
        await until(lambda: half in c.ended | c.reset)
        assert c.status[half] == 408
        gate.set()
        assert await c.end_of(whole) == EVENT + DONE
        await until(lambda: proxy.engine.live_turns == 0)
        (layer,) = proxy.layers
        await until(lambda: not layer.streams)
    assert len(up.requests) == 1


async def test_whole_body_leaves_no_timer() -> None:
    """The turn may last longer than its body might have."""
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE)) as up,
        engine(to_ports(up.port), replace(QUICK, body_seconds=0.05)) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(POST + b"content-length: 2\r\n\r\n{")
        await until(lambda: proxy.engine.live_turns == 1)
        await c.send(b"}")
        response = await c.head()
        for _ in range(3):
            await c.chunk()
        gate.set()
        assert (await c.rest(response)).complete
        (layer,) = proxy.layers
        assert not layer.command_sources


# Half-closed connections ----------------------------------------------------------------------------------------

LAST = {
    "HTTP/1.0": b"POST /v1/responses HTTP/1.0\r\nhost: 127.0.0.1\r\n",
    "connection: close": POST + b"connection: close\r\n",
    "Connection: Close": POST + b"Connection: keep-alive, Close\r\n",
}


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("master", MASTERS)
async def test_client_that_half_closes_after_its_last_request_gets_its_answer(
    master: str, last: str, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE)) as up,
        MASTERS[master](tmp_path, lambda r: ScriptedPlan(r, [wire_to(up.port, r)])) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(LAST[last] + b"content-length: 2\r\n\r\n{}")
        c.writer.write_eof()
        await until(lambda: up.requests)
        head = await c.head()
        assert head.status == 200
        gate.set()
        rest = await c.eof()
        assert EVENT in rest
        assert DONE in rest
        await until(lambda: proxy.engine.live_turns == 0)


AHEAD = {
    "length": b"content-length: 2\r\n\r\n{}",
    "no body": b"content-length: 0\r\n\r\n",
    "chunks": b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}
KEPT = POST + AHEAD["length"]


@pytest.mark.parametrize("body", AHEAD)
@pytest.mark.parametrize("between", [b"", b"\r\n", KEPT])
async def test_client_that_half_closes_after_sending_ahead_gets_every_answer(
    between: bytes, body: str
) -> None:
    gate = asyncio.Event()
    async with (
        upstream(gated(EVENT, gate, DONE), turn) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(KEPT + between + LAST["connection: close"] + AHEAD[body])
        c.writer.write_eof()
        await until(lambda: up.requests)
        await until(lambda: proxy.layers[0].context.client.state is ConnectionState.CAN_WRITE)
        gate.set()
        rest = await c.eof()
        count = 3 if between == KEPT else 2
        assert rest.count(b"HTTP/1.1 200 ") == rest.count(DONE) == count
        await until(lambda: proxy.engine.live_turns == 0)
    assert len(up.requests) == count


@pytest.mark.parametrize(
    "ahead",
    [
        KEPT,
        LAST["connection: close"],
        LAST["connection: close"] + b"content-length: 9\r\n\r\n{}",
        LAST["connection: close"] + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        LAST["connection: close"] + b"content-length: x\r\n\r\n",
        LAST["connection: close"].replace(b" /v1/responses", b" http://[") + AHEAD["length"],
    ],
)
async def test_client_that_half_closes_before_its_last_request_is_whole_has_left(
    ahead: bytes,
) -> None:
    async with upstream(silence) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(KEPT + ahead)
        await until(lambda: up.requests)
        c.writer.write_eof()
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
    assert len(up.requests) == 1


@pytest.mark.parametrize("last", [KEPT, LAST["connection: close"] + AHEAD["length"]])
async def test_client_that_half_closes_after_too_many_requests_has_left(last: bytes) -> None:
    """To look at each of them would stop every other client for as long."""
    async with upstream(silence) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(KEPT * (MAX_AHEAD + 1) + last)
        await until(lambda: up.requests)
        c.writer.write_eof()
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
    assert len(up.requests) == 1


async def test_client_that_sends_too_many_requests_ahead_is_disconnected() -> None:
    async with upstream(silence) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.send(KEPT)
        await until(lambda: up.requests)
        await c.send(KEPT * MAX_AHEAD)
        await until(lambda: proxy.engine.live_turns == 1)
        await c.send(KEPT)
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
    assert len(up.requests) == 1


async def reset(c: Client) -> None:
    c.abort()


async def closed(c: Client) -> None:
    c.close()


@pytest.mark.parametrize("leave", [reset, closed])
@pytest.mark.parametrize("half_closes", [True, False])
async def test_client_that_leaves_ends_the_upstream(
    leave: Callable[[Client], Awaitable[None]], *, half_closes: bool
) -> None:
    """A half-closed connection that is closed altogether is noticed by writing to it."""
    began = asyncio.Event()
    async with (
        upstream(begins(EVENT, began=began)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.send(LAST["connection: close"] + b"content-length: 2\r\n\r\n{}")
        if half_closes:
            c.writer.write_eof()
        await c.head()
        await within(began)
        await leave(c)
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)


async def test_client_that_half_closes_a_connection_it_would_keep_has_left() -> None:
    began = asyncio.Event()
    async with (
        upstream(begins(EVENT, began=began)) as up,
        engine(to_ports(up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await within(began)
        c.writer.write_eof()
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)


async def test_request_that_is_cut_by_a_half_close_is_refused() -> None:
    async with engine(to_ports(1)) as proxy, client(proxy.port) as c:
        await c.send(LAST["connection: close"] + b"content-length: 9\r\n\r\n{}")
        c.writer.write_eof()
        assert (await c.eof()).startswith(b"HTTP/1.1 400 ")
        await until(lambda: proxy.engine.live_turns == 0)


# Resets over HTTP/2 ---------------------------------------------------------------------------------------------


async def test_hundred_requests_that_are_reset_in_their_last_read_leave_no_turn(
    tmp_path: Path,
) -> None:
    async with (
        upstream(begins(EVENT)) as up,
        engine(to_ports(up.port), Limits(), confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        names = ((":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/x"))
        for _ in range(100):
            stream = c.h2.get_next_available_stream_id()
            c.h2.send_headers(stream, names)
            c.h2.send_data(stream, BODY, end_stream=True)
            c.h2.reset_stream(stream)
            await c.flush()
        kept = await c.post("/whole")
        await until(lambda: c.body.get(kept) == EVENT)
        await until(lambda: proxy.engine.live_turns == 1)
