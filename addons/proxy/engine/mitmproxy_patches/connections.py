"""Corrections to how mitmproxy closes, reads, limits and accepts connections.

Closing: mitmproxy closes a connection by cancelling its task. A task that waits for the event lock at that moment ends
without closing its socket or reporting: an upstream would go on sending, and charging, for a turn that is over. (Hooks
queue on that lock, so it happens whenever a turn ends while more data is at hand.)

Reading: mitmproxy reads 64 KB at a time. uvloop brings 250 KB with one system call, so the stream would be paused,
emptied in four events and resumed for each of them.

Connecting: mitmproxy lets a client have five connections to one address, and a sixth one waits, without any limit of time.
An HTTP/2 client may run a hundred turns at once, and each needs a connection.

Waiting: mitmproxy reads on when the writers of all connections have room. The streams of an HTTP/2 client have windows as well.

Dispatching: each event passes the layer of the mode and `NextLayer`, which only pass it on once the layer below is known.
Most events are reads of a stream whose bytes need neither a command nor a lock; and after each one mitmproxy takes another
lock to wait for buffers that are empty.

Forking: mitmproxy makes a `Server` with a random id for each fork of a context, and drops it at once.

Accepting: asyncio lets a hundred clients wait. When more come at once, as a test run with many agents does, the system
drops the rest, and their first bytes come again after seconds.

Never does: open a connection or a listener. Invariant: a connection whose task has ended is closed and reported once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.utils import asyncio_utils


def ensure_closed(handler: ConnectionHandler, connection: Connection) -> None:
    """Close and report this connection when its task ends, whatever the reason."""

    def clean_up(_: asyncio.Task[None]) -> None:
        if (io := handler.transports.pop(connection, None)) is None:
            return
        connection.state = ConnectionState.CLOSED
        if io.writer:
            io.writer.close()
        asyncio_utils.create_task(
            handler.server_event(events.ConnectionClosed(connection)),
            name="report a closed connection",
            keep_ref=True,
        )

    io = handler.transports.get(connection)
    if io and io.handler:
        io.handler.add_done_callback(clean_up)


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


def hang_up(handler: ConnectionHandler) -> None:
    """Close the client's socket if its task has ended without doing so. The client would wait for ever."""
    if (io := handler.transports.get(handler.client)) and io.writer:
        io.writer.close()


Relayed = tuple[Sequence[commands.SendData], bool]
"""What goes to the client now, and whether that is all. If not, a `DataReceived` that begins with the read has to follow."""


class RelayingLayer(Protocol):
    """A layer that knows what most reads lead to without handling an event."""

    context: Context

    def handle_unrelayed(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event that `relay` has left over."""

    def relay(self, connection: Connection, data: bytes) -> Relayed | None:
        """Return what a read leads to. None: its event has to be handled."""


def handle_directly(handler: ConnectionHandler, layer: RelayingLayer) -> None:
    """Let a layer have the events of its client's connections if only the layer of the reverse mode is above it."""
    top = handler.layer
    if not isinstance(top, ReverseProxy) or layer.context.layers != [top, layer]:
        return
    top.__dict__["handle_event"] = layer.handle_unrelayed
    usual_event, usual_drain = handler.server_event, handler.drain_writers

    async def server_event(event: events.Event) -> None:
        # the lock is free: no other event is being handled, and nothing here waits
        if type(event) is events.DataReceived and not handler._server_event_lock.locked():  # noqa: SLF001
            relayed = layer.relay(event.connection, event.data)
            if relayed is not None:
                handler.timeout_watchdog.register_activity()
                _write(handler, relayed[0])
                _relay_from_transport(handler, event.connection, layer)
                if relayed[1]:
                    return
        await usual_event(event)

    async def drain_writers() -> None:
        if not all(map(_is_drained, handler.transports.values())):
            await usual_drain()  # type: ignore[no-untyped-call]

    handler.__dict__.update(server_event=server_event, drain_writers=drain_writers)


LARGEST_DIRECT_READ = 32 * 1024
"""A larger one becomes several events: the task reads 64 KB at a time."""


def _relay_from_transport(
    handler: ConnectionHandler, connection: Connection, layer: RelayingLayer
) -> None:
    """Let further reads of this connection reach the layer without waking the task that reads it.

    Only while that task waits for nothing but data, and the system has taken everything that was written before.
    """
    io = handler.transports.get(connection)
    if io is None or not isinstance(reader := io.reader, asyncio.StreamReader):
        return
    if "feed_data" in reader.__dict__:
        return
    usual, lock, all_io = reader.feed_data, handler._server_event_lock, handler.transports  # noqa: SLF001

    def feed_data(data: bytes) -> None:
        if (
            waits_for_data(reader)
            and len(data) <= LARGEST_DIRECT_READ
            and not lock.locked()
            and all(map(_is_drained, all_io.values()))
            and (relayed := layer.relay(connection, data)) is not None
        ):
            handler.timeout_watchdog.register_activity()
            _write(handler, relayed[0])
            if relayed[1]:
                return
        usual(data)

    reader.__dict__["feed_data"] = feed_data


def waits_for_data(reader: asyncio.StreamReader) -> bool:
    """Return whether the task that reads is between two reads, and no byte is on its way to the layer."""
    waiter = reader._waiter  # type: ignore[attr-defined]  # noqa: SLF001
    return waiter is not None and not waiter.done()


def stop_relaying(reader: asyncio.StreamReader) -> None:
    """Let the bytes of a connection wait in its reader again: it leaves its client."""
    reader.__dict__.pop("feed_data", None)


def _write(handler: ConnectionHandler, writes: Sequence[commands.SendData]) -> None:
    for write in writes:
        io = handler.transports.get(write.connection)
        if io and io.writer and not io.writer.is_closing():
            io.writer.write(write.data)


def _is_drained(io: ConnectionIO) -> bool:
    """Return whether the system has taken all that was written. asyncio would wait for nothing then."""
    writer = io.writer
    if not isinstance(writer, asyncio.StreamWriter):
        return writer is None
    transport = writer.transport
    return not transport.is_closing() and not transport.get_write_buffer_size()


def fork(context: Context) -> Context:
    """Return a context of its own for a layer, with the same client and server."""
    forked = Context.__new__(Context)
    forked.__dict__.update(context.__dict__, layers=context.layers.copy())
    return forked


READ_BYTES = 256 * 1024


def enlarge_read_buffer(handler: ConnectionHandler, connection: Connection) -> None:
    """Let each read of this connection return all that is there."""
    io = handler.transports.get(connection)
    if io and isinstance(reader := io.reader, asyncio.StreamReader):
        narrow = reader.read

        async def read(_: int = -1) -> bytes:
            return await narrow(READ_BYTES)

        # twice this is held before the transport is paused
        reader.__dict__.update(read=read, _limit=READ_BYTES)


CONNECTIONS_PER_ADDRESS = 4096
"""Never reached: HTTP/2 itself bounds the turns of a connection."""


def lift_connection_limit(handler: ConnectionHandler) -> None:
    """Let a client have as many upstream connections to one address as it has turns."""
    handler.max_conns = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS_PER_ADDRESS))


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
