"""Corrections to how mitmproxy accepts clients and keeps their connections. Few turns need them.

Waiting: mitmproxy reads on when the writers of all connections have room. The streams of an HTTP/2 client have windows as well.

Accepting: asyncio lets a hundred clients wait. When more come at once, as a test run with many agents does, the system
drops the rest, and their first bytes come again after seconds.

Never does: open a connection or a listener, consume or write a byte. Invariant: a half-closed connection that is lost is reported once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import events
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils


def watch_half_closed(handler: ConnectionHandler, connection: Connection) -> None:
    """Report a half-closed connection when it is lost. mitmproxy reads no more of it, and would not notice."""
    io = handler.transports.get(connection)
    if io is None or not isinstance(writer := io.writer, asyncio.StreamWriter):
        return

    async def watch() -> None:
        with suppress(OSError):
            await writer.wait_closed()
        if connection.state is ConnectionState.CLOSED:
            return
        connection.state = ConnectionState.CLOSED
        await handler.server_event(events.ConnectionClosed(connection))
        if io.handler:
            io.handler.cancel("the client is gone")

    asyncio_utils.create_task(watch(), name="watch a half-closed connection", keep_ref=True)


LONGEST_SECONDS = 365 * 24 * 3600
"""More than a client stays connected, and less than a timer overflows at."""


def keep_open(handler: ConnectionHandler) -> None:
    """Let no idle time end the connection of a client: mitmproxy's `tcp_timeout` would, after ten minutes.

    The system probes the connection instead, so that one whose client has vanished ends.
    """
    handler.timeout_watchdog.timeout = LONGEST_SECONDS
    io = handler.transports.get(handler.client)
    if io and isinstance(io.writer, asyncio.StreamWriter):
        found = io.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def add_backpressure(
    handler: ConnectionHandler, drained: Callable[[Connection], Awaitable[None]]
) -> None:
    """Let the task of each upstream connection wait for this after each read, as it waits for the writers."""
    drain_writers = handler.drain_writers

    async def drain() -> None:
        await drain_writers()  # type: ignore[no-untyped-call]
        task = asyncio.current_task()
        for connection, io in list(handler.transports.items()):
            if io.handler is task and connection is not handler.client:
                await drained(connection)

    handler.__dict__["drain_writers"] = drain


LISTEN_BACKLOG = 1024
"""A lower limit of the system stays in force."""


def raise_listen_backlog(instances: Iterable[ServerInstance[Any]]) -> None:
    """Let more clients wait at these listeners."""
    if sys.platform == "win32":
        # its queue grows by itself, and its sockets cannot be duplicated this way
        return
    for instance in instances:
        for server in getattr(instance, "_servers", ()):
            for listener in getattr(server, "sockets", ()):
                with socket.socket(fileno=os.dup(listener.fileno())) as same:
                    same.listen(LISTEN_BACKLOG)
