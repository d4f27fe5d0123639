"""A connection whose task has ended is closed and reported; clients may wait in a longer queue."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO, TimeoutWatchdog
from mitmproxy.test import tflow
from mitmproxy.utils import asyncio_utils

from addons.proxy.engine.mitmproxy_patches.connections import (
    LISTEN_BACKLOG,
    READ_BYTES,
    enlarge_read_buffer,
    ensure_closed,
    handle_directly,
    hang_up,
    raise_listen_backlog,
)
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
        self.transports = {self.client: self.io}
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
    """A layer below that of the reverse mode, which relays every read."""

    def __init__(self, handler: Handler) -> None:
        self._client = handler.client
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

    def relay(self, event: events.DataReceived) -> list[commands.SendData]:
        return [commands.SendData(self._client, event.data)]


async def test_relayed_read_keeps_the_client_from_being_timed_out() -> None:
    handler = Handler()
    handle_directly(handler.real, cast("Any", Relaying(handler)))
    handler.real.timeout_watchdog.last_activity = 0.0
    await handler.server_event(events.DataReceived(handler.client, b"delta"))
    assert cast("Writer", handler.io.writer).written == b"delta"
    assert handler.reported == []
    assert handler.real.timeout_watchdog.last_activity > 0


async def test_one_read_returns_all_that_is_there() -> None:
    handler = Handler()
    handler.io.reader = reader = asyncio.StreamReader()
    reader.feed_data(b"x" * READ_BYTES)
    enlarge_read_buffer(handler.real, handler.client)
    assert len(await reader.read(1)) == READ_BYTES


def test_backlog_of_each_listener_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Counted(socket.socket):
        def listen(self, backlog: int = 0) -> None:
            asked.append(backlog)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setattr(socket, "socket", Counted)
        servers = [SimpleNamespace(sockets=[listener]), SimpleNamespace(sockets=[listener])]
        raise_listen_backlog([cast("Any", SimpleNamespace(_servers=servers))])
        assert listener.fileno() >= 0
    assert asked == [LISTEN_BACKLOG] * 2
