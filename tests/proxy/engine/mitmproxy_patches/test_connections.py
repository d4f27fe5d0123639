"""A connection whose task has ended is closed and reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO, TimeoutWatchdog
from mitmproxy.test import tflow
from mitmproxy.utils import asyncio_utils

from addons.proxy.engine.mitmproxy_patches.command_pump import (
    LARGEST_DIRECT_READ,
    handle_directly,
    stop_relaying,
    waits_for_data,
)
from addons.proxy.engine.mitmproxy_patches.connections import (
    READ_BYTES,
    enlarge_read_buffer,
    ensure_closed,
    hang_up,
)
from addons.proxy.engine.mitmproxy_patches.http1_connections import CoalescedWrites, Relayed
from tests.support.waiting import settle, until


class Writer:
    closed = False

    def __init__(self) -> None:
        self.written = b""

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class Handler:
    """What these patches use of a `ConnectionHandler`."""

    def __init__(self) -> None:
        self.client = tflow.tflow().client_conn
        self.client.state = ConnectionState.OPEN
        self.io = ConnectionIO(writer=cast("Any", Writer()))
        self.transports: dict[Connection, ConnectionIO] = {self.client: self.io}
        self.reported: list[events.Event] = []

    async def server_event(self, event: events.Event) -> None:
        self.reported.append(event)

    @property
    def real(self) -> ConnectionHandler:
        return cast("ConnectionHandler", self)


async def test_connection_whose_task_was_cancelled_is_closed_and_reported_once() -> None:
    handler = Handler()
    handler.io.handler = asyncio_utils.create_task(asyncio.sleep(60), name="t", keep_ref=True)
    ensure_closed(handler.real, handler.client)
    handler.io.handler.cancel()
    await until(lambda: handler.reported)
    await settle()
    assert [type(event) for event in handler.reported] == [events.ConnectionClosed]
    assert cast("Writer", handler.io.writer).closed
    assert handler.client.state is ConnectionState.CLOSED
    assert handler.transports == {}


async def test_connection_that_mitmproxy_has_closed_is_not_reported_again() -> None:
    handler = Handler()
    handler.io.handler = asyncio_utils.create_task(asyncio.sleep(0), name="t", keep_ref=True)
    ensure_closed(handler.real, handler.client)
    handler.transports.clear()
    await handler.io.handler
    await settle()
    assert handler.reported == []


def test_hanging_up_closes_the_socket_of_the_client() -> None:
    handler = Handler()
    hang_up(handler.real)
    assert cast("Writer", handler.io.writer).closed


class Relaying:
    """A layer below that of the reverse mode, which relays reads."""

    relays = True
    relays_all = True

    def __init__(self, handler: Handler) -> None:
        self._client = handler.client
        self.relaying: dict[Connection, SimpleNamespace] = {
            handler.client: SimpleNamespace(is_reading_body=True)
        }
        self.writes = CoalescedWrites()
        top = ReverseProxy.__new__(ReverseProxy)
        self.context = SimpleNamespace(layers=[top, self])
        vars(handler).update(
            layer=top,
            timeout_watchdog=TimeoutWatchdog(60, cast("Any", None)),
            _server_event_lock=asyncio.Lock(),
            drain_writers=None,
        )

    def handle_unrelayed(self, event: events.Event) -> None:
        raise AssertionError(event)

    def has_left(self, connection: Connection) -> bool:
        return connection not in self.relaying

    def relay(self, _: Connection, data: bytes) -> Relayed | None:
        if not self.relays:
            return None
        return [commands.SendData(self._client, data)], self.relays_all


async def test_relayed_read_keeps_the_client_from_being_timed_out() -> None:
    handler = Handler()
    handle_directly(handler.real, cast("Any", Relaying(handler)))
    handler.real.timeout_watchdog.last_activity = 0.0
    await handler.server_event(events.DataReceived(handler.client, b"delta"))
    assert cast("Writer", handler.io.writer).written == b"delta"
    assert handler.reported == []
    assert handler.real.timeout_watchdog.last_activity > 0


async def test_end_of_a_connection_that_has_left_its_client_leads_to_nothing() -> None:
    handler = Handler()
    handle_directly(handler.real, cast("Any", Relaying(handler)))
    handler.real.timeout_watchdog.last_activity = 0.0
    await handler.server_event(events.ConnectionClosed(tflow.tflow().server_conn))
    assert handler.reported == []
    await handler.server_event(events.ConnectionClosed(handler.client))
    assert [type(event) for event in handler.reported] == [events.ConnectionClosed]


class Upstream:
    """An upstream connection whose reads go to a `Relaying` layer, read by a task as mitmproxy reads it."""

    def __init__(self) -> None:
        self.handler = Handler()
        self.layer = Relaying(self.handler)
        handle_directly(self.handler.real, cast("Any", self.layer))
        self.server = tflow.tflow().server_conn
        self.layer.relaying[self.server] = SimpleNamespace(is_reading_body=True)
        self.reader = asyncio.StreamReader()
        self.handler.transports[self.server] = ConnectionIO(reader=self.reader)
        self.handler.io.writer = asyncio.StreamWriter(
            cast("Any", self), cast("Any", None), None, asyncio.get_running_loop()
        )
        self.unsent = 0
        self.closing = False
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.task = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while data := await self.reader.read(65535):
            self.read.append(data)
            await self.handler.server_event(events.DataReceived(self.server, data))

    # The transport of the client's writer
    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: bytes) -> None:
        self.written.append(data)


@contextlib.asynccontextmanager
async def relayed_once() -> AsyncIterator[Upstream]:
    """Yield a connection after its first relayed read: only then further ones need no task."""
    upstream = Upstream()
    await settle()
    upstream.reader.feed_data(b"first")
    await settle()
    assert upstream.read == [b"first"]
    yield upstream
    upstream.reader.feed_eof()
    await upstream.task
    upstream.closing = True


async def test_read_after_a_relayed_one_is_written_before_the_task_runs() -> None:
    async with relayed_once() as upstream:
        upstream.handler.real.timeout_watchdog.last_activity = 0.0
        upstream.reader.feed_data(b"second")
        assert upstream.written == [b"first", b"second"]
        assert upstream.handler.real.timeout_watchdog.last_activity > 0
        await settle()
    assert upstream.read == [b"first"]


async def test_read_behind_one_that_could_not_be_relayed_needs_no_task() -> None:
    upstream = Upstream()
    upstream.layer.relays = False
    await settle()
    upstream.reader.feed_data(b"head")
    await settle()
    upstream.layer.relays = True
    upstream.reader.feed_data(b"delta")
    assert (upstream.read, upstream.written) == ([b"head"], [b"delta"])
    upstream.reader.feed_eof()
    await upstream.task
    upstream.closing = True


async def test_what_was_held_is_written_in_the_next_round_of_the_loop() -> None:
    upstream = Upstream()
    writes = upstream.layer.writes
    writes.hold()
    writes.add(commands.SendData(upstream.handler.client, b"head"))
    assert writes.take_at_end() == ()
    assert upstream.written == []
    await asyncio.sleep(0)
    assert upstream.written == [b"head"]
    upstream.reader.feed_eof()
    await upstream.task
    upstream.closing = True


async def test_read_that_cannot_be_relayed_is_left_to_the_task_and_so_are_those_behind_it() -> None:
    async with relayed_once() as upstream:
        upstream.layer.relays = False
        upstream.reader.feed_data(b"second")
        upstream.layer.relays = True
        upstream.reader.feed_data(b"third")
        assert upstream.written == [b"first"]
        await settle()
        assert upstream.written == [b"first", b"secondthird"]


async def test_what_was_taken_of_a_read_is_written_before_its_event() -> None:
    async with relayed_once() as upstream:
        upstream.layer.relays_all = False
        upstream.reader.feed_data(b"second")
        assert upstream.written == [b"first", b"second"]
        upstream.layer.relays = False
        await settle()
    assert upstream.read == [b"first", b"second"]


async def test_read_waits_for_the_event_that_is_handled_now() -> None:
    async with relayed_once() as upstream:
        lock = upstream.handler.real._server_event_lock
        async with lock:
            upstream.reader.feed_data(b"second")
            assert upstream.written == [b"first"]
        await settle()
    assert upstream.read == [b"first", b"second"]


async def test_read_waits_while_the_client_takes_nothing() -> None:
    async with relayed_once() as upstream:
        upstream.unsent = 1
        upstream.reader.feed_data(b"second")
        assert upstream.written == [b"first"]
        await settle()
    assert upstream.read == [b"first", b"second"]


async def test_read_of_more_than_one_event_is_left_to_the_task() -> None:
    async with relayed_once() as upstream:
        large = b"x" * (LARGEST_DIRECT_READ + 1)
        upstream.reader.feed_data(large)
        assert upstream.written == [b"first"]
        await settle()
    assert upstream.read == [b"first", large]


async def test_large_read_of_the_client_needs_no_task() -> None:
    async with relayed_once() as upstream:
        upstream.handler.real.client = cast("Any", upstream.server)
        large = b"x" * (LARGEST_DIRECT_READ + 1)
        upstream.reader.feed_data(large)
        assert upstream.written == [b"first", large]


async def test_connection_that_leaves_its_client_relays_nothing() -> None:
    async with relayed_once() as upstream:
        stop_relaying(upstream.reader)
        upstream.reader.feed_data(b"second")
        assert upstream.written == [b"first"]
        await settle()
    assert upstream.read == [b"first", b"second"]


async def test_task_waits_for_data_only_until_it_is_woken() -> None:
    reader = asyncio.StreamReader()
    assert not waits_for_data(reader)
    reading = asyncio.ensure_future(reader.read(1))
    await settle()
    assert waits_for_data(reader)
    reader.feed_data(b"x")
    # the task was woken and has not run: the byte is on its way to the layer
    assert not waits_for_data(reader)
    assert await reading == b"x"


async def test_cancelled_task_does_not_wait_for_data() -> None:
    reader = asyncio.StreamReader()
    task = asyncio.ensure_future(reader.read(1))
    await asyncio.sleep(0)
    assert waits_for_data(reader)
    task.cancel()
    assert not waits_for_data(reader)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_read_returns_all_that_is_there() -> None:
    handler = Handler()
    handler.io.reader = reader = asyncio.StreamReader()
    reader.feed_data(b"x" * READ_BYTES)
    enlarge_read_buffer(handler.real, handler.client)
    assert len(await reader.read(1)) == READ_BYTES
