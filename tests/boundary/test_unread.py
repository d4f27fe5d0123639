"""Clients that accept their answer slowly, or not at all: the first keep their turn, the others end it, and little waits."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from h2.settings import SettingCodes

from addons.core.turn import Sink
from addons.proxy.engine.engine import Engine
from tests.boundary.scripts import BODY, DONE, EVENT, begins, gated, local_stream
from tests.support.client import Client
from tests.support.engine import QUICK, Running, engine, to_ports
from tests.support.http2 import H2Client, h2_client
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until, within

LIMITS = replace(QUICK, heartbeat_seconds=0.05, unread_seconds=0.4)
PATIENT = replace(LIMITS, unread_seconds=60)
PIECE = b"data: " + b"x" * 60_000 + b"\n\n"
MOST = 1024 * 1024
"""Bytes that may wait for the window of one stream: the bound, and one read."""


async def floods(exchange: Exchange) -> None:
    await exchange.sse_head()
    while True:
        await exchange.chunk(PIECE)


def sent(proxy: Running) -> int:
    """Bytes of the only turn that were written to its client, into whatever buffer."""
    (turn,) = proxy.engine._turns.values()
    return turn.record.bytes_out


async def is_stuck(proxy: Running, looks: int = 5) -> None:
    """Wait until nothing more is written, over this many looks of the timers at the client."""
    seen: list[int] = []
    look = Engine.unsent_bytes

    def counted(self: Engine, turn: object) -> int:
        seen.append(sent(proxy))
        return look(self, turn)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "unsent_bytes", counted)
        await until(lambda: len(seen) > looks and len(set(seen[-looks:])) == 1)


@asynccontextmanager
async def closed_window(proxy: Running) -> AsyncIterator[H2Client]:
    """A client whose streams begin without a window. It opens one by hand only."""
    async with h2_client(proxy.port) as c:
        c.acknowledge = lambda *_: None  # type: ignore[method-assign]
        c.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        yield c


async def test_http2_client_that_opens_no_window_ends_its_turn_and_little_waits(
    tmp_path: Path,
) -> None:
    async with (
        upstream(floods) as up,
        engine(to_ports(up.port), LIMITS, confdir=str(tmp_path)) as proxy,
        closed_window(proxy) as c,
    ):
        one = await c.post("/one")
        await until(lambda: one in c.status)
        record = next(iter(proxy.engine._turns.values())).record
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
        assert record.ended == "unread"
        assert record.bytes_out < MOST
        assert one not in c.body
        c.h2.increment_flow_control_window(1 << 22, one)
        c.h2.increment_flow_control_window(1 << 22)
        await c.flush()
        assert b"answer_unread" in await c.end_of(one)


async def test_http2_client_that_stops_opening_its_window_ends_its_turn(tmp_path: Path) -> None:
    async with (
        upstream(floods) as up,
        engine(to_ports(up.port), LIMITS, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.acknowledge = lambda *_: None  # type: ignore[method-assign]
        one = await c.post("/one")
        await until(lambda: len(c.body.get(one, b"")) == 65_535)
        record = next(iter(proxy.engine._turns.values())).record
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
    assert record.ended == "unread"
    assert record.bytes_out < MOST


async def test_http2_client_slows_its_upstream_down_and_loses_nothing(tmp_path: Path) -> None:
    total = 60

    async def long(exchange: Exchange) -> None:
        await exchange.sse_head()
        for _ in range(total):
            await exchange.chunk(PIECE)
        await exchange.chunk(DONE)
        await exchange.end()

    async with (
        upstream(long) as up,
        engine(to_ports(up.port), PATIENT, confdir=str(tmp_path)) as proxy,
        closed_window(proxy) as c,
    ):
        one = await c.post("/one")
        await until(lambda: one in c.status)
        await is_stuck(proxy)
        assert sent(proxy) < MOST
        c.h2.increment_flow_control_window(1 << 30, one)
        c.h2.increment_flow_control_window(1 << 30)
        await c.flush()
        assert await c.end_of(one) == PIECE * total + DONE


async def test_stream_without_a_window_holds_no_other_up(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with upstream(floods) as wide, upstream(gated(EVENT, gate, DONE)) as narrow:
        routes = {"/wide": to_ports(wide.port), "/narrow": to_ports(narrow.port)}
        make = lambda r: routes[r.path](r)  # noqa: E731
        async with (
            engine(make, PATIENT, confdir=str(tmp_path)) as proxy,
            closed_window(proxy) as c,
        ):
            stuck = await c.post("/wide")
            await until(lambda: stuck in c.status)
            await is_stuck(proxy)
            other = await c.post("/narrow")
            await until(lambda: other in c.status)
            c.h2.increment_flow_control_window(1000, other)
            await c.flush()
            await until(lambda: c.body.get(other) == EVENT)
            gate.set()
            assert await c.end_of(other) == EVENT + DONE
            assert stuck not in c.body
            await c.leave(stuck)
            await within(wide.gone)


async def test_local_source_waits_for_the_window_of_its_http2_client(tmp_path: Path) -> None:
    written = 0

    async def source(sink: Sink) -> None:
        nonlocal written
        while True:
            await sink.write(PIECE)
            written += len(PIECE)

    limits = replace(PATIENT, queue_bytes=64 * 1024)
    async with (
        engine(local_stream(source), limits, confdir=str(tmp_path)) as proxy,
        closed_window(proxy) as c,
    ):
        one = await c.post("/one")
        await until(lambda: one in c.status)
        await is_stuck(proxy)
        assert written < MOST
        c.h2.increment_flow_control_window(1 << 22, one)
        c.h2.increment_flow_control_window(1 << 22)
        await c.flush()
        await until(lambda: len(c.body.get(one, b"")) > 2 * MOST)
        await c.leave(one)


async def test_http2_client_that_opens_its_window_by_a_byte_at_a_time_keeps_its_turn(
    tmp_path: Path,
) -> None:
    loop = asyncio.get_running_loop()
    async with (
        upstream(floods) as up,
        engine(to_ports(up.port), LIMITS, confdir=str(tmp_path)) as proxy,
        closed_window(proxy) as c,
    ):
        one = await c.post("/one")
        await until(lambda: one in c.status)
        began = loop.time()
        while loop.time() - began < 4 * LIMITS.unread_seconds:
            had = len(c.body.get(one, b""))
            c.h2.increment_flow_control_window(1, one)
            await c.flush()
            await until(lambda n=had: len(c.body.get(one, b"")) > n)  # type: ignore[misc]
            await asyncio.sleep(LIMITS.unread_seconds / 4)
        assert proxy.engine.live_turns == 1
        await within(up.gone)
        assert proxy.engine.live_turns == 0


async def test_http2_client_that_reads_no_byte_ends_its_turn(tmp_path: Path) -> None:
    """Its window is open: the bytes wait in the buffers of its connection."""
    async with (
        upstream(floods) as up,
        engine(to_ports(up.port), LIMITS, confdir=str(tmp_path)) as proxy,
        h2_client(proxy.port) as c,
    ):
        c.acknowledge = lambda *_: None  # type: ignore[method-assign]
        one = await c.post("/one")
        await until(lambda: one in c.status)
        c.h2.increment_flow_control_window(1 << 30, one)
        c.h2.increment_flow_control_window(1 << 30)
        await c.flush()
        c.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)


async def one_by_one(port: int, seconds: float, pause: float) -> socket.socket:
    """Send a request and read one byte of its answer after each pause, as the system counts them. Return the socket."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    await loop.sock_connect(connection, ("127.0.0.1", port))
    head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    await loop.sock_sendall(connection, head + BODY)
    began = loop.time()
    while loop.time() - began < seconds:
        assert await loop.sock_recv(connection, 1)
        await asyncio.sleep(pause)
    return connection


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="no other system tells")
async def test_client_that_reads_a_byte_at_a_time_keeps_its_turn() -> None:
    """TCP tells a sender nothing of so few bytes."""
    async with upstream(floods) as up, engine(to_ports(up.port), LIMITS) as proxy:
        pause = LIMITS.unread_seconds / 4
        connection = await one_by_one(proxy.port, 5 * LIMITS.unread_seconds, pause)
        assert proxy.engine.live_turns == 1
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
        connection.close()


async def test_client_that_reads_no_byte_ends_its_turn() -> None:
    async with upstream(floods) as up, engine(to_ports(up.port), LIMITS) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 16)
        c = Client(reader, writer)
        await c.post("/v1/responses", BODY)
        await within(up.gone)
        await until(lambda: proxy.engine.live_turns == 0)
        assert b"answer_unread" in (await c.response()).body[-2000:]
        writer.close()


async def test_client_with_nothing_to_read_keeps_its_turn() -> None:
    async with upstream(begins(EVENT)) as up, engine(to_ports(up.port), LIMITS) as proxy:
        connection = await one_by_one(proxy.port, 0, 0)
        await until(lambda: bool(proxy.engine._turns) and sent(proxy) > 20 * len(EVENT))
        assert not up.gone.is_set()
        connection.close()
