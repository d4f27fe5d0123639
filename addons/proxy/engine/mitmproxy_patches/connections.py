"""Corrections to how mitmproxy closes, reads, limits and accepts connections.

Closing: mitmproxy closes a connection by cancelling its task. A task that waits for the event lock at that moment ends
without closing its socket or reporting: an upstream would go on sending, and charging, for a turn that is over. (Hooks
queue on that lock, so it happens whenever a turn ends while more data is at hand.)

Reading: mitmproxy reads 64 KB at a time. uvloop brings 250 KB with one system call, so the stream would be paused,
emptied in four events and resumed for each of them.

Connecting: mitmproxy lets a client have five connections to one address, and a sixth one waits, without any limit of time.
An HTTP/2 client may run a hundred turns at once, and each needs a connection.

Waiting: mitmproxy reads on when the writers of all connections have room. The streams of an HTTP/2 client have windows as well.

Forking: mitmproxy makes a `Server` with a random id for each fork of a context, and drops it at once.

Accepting: asyncio lets a hundred clients wait. When more come at once, as a test run with many agents does, the system
drops the rest, and their first bytes come again after seconds.

Probing: an idle connection is probed by TCP keepalive, so that one whose peer is gone ends here before it is used. While it is
idle and while its next request is on the way, `TCP_USER_TIMEOUT` bounds the time that the peer may leave bytes
unacknowledged. Keepalive is off during a turn: an outage while the upstream is silent need not end an answer. An option that
the system lacks is left out.

Hooks: for each hook of a connection, mitmproxy enters a generator, a coroutine and a context for each addon, also for those that
have no such hook. Here the methods are looked up once.

Never does: open a connection or a listener, consume or write a byte. Invariant: a connection whose task has ended is closed and reported once.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import select
import socket
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import flow, hooks
from mitmproxy.addonmanager import AddonManager, safecall, traverse
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.exceptions import AddonHalt
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.server import ConnectionHandler
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


# What the system knows about a connection ---------------------------------------------------------------------

PROBE_AFTER_SECONDS = 10
PROBE_INTERVAL_SECONDS = 3
PROBES = 3
DEAF_SECONDS = 10.0
"""How long a peer may leave bytes unacknowledged on a connection that was idle."""

REWATCH_SECONDS = 1.0
_rewatching: WeakKeyDictionary[asyncio.StreamWriter, asyncio.TimerHandle | None] = (
    WeakKeyDictionary()
)
"""Connection that was idle before → the timer after which it is watched again, while it waits."""

SHORTEST_ROUND_TRIP = 0.05
"""What scheduling on a busy machine adds to a round trip."""
LONGEST_ROUND_TRIP = 0.5
UNREAD_BYTES = 16 * 1024


def watch_idle(writer: asyncio.StreamWriter) -> None:
    """Let the system notice the loss of a connection that is idle from now on.

    The first time takes effect at once; later ones after `REWATCH_SECONDS`, because most connections serve again sooner.
    """
    if writer in _rewatching:
        loop = asyncio.get_running_loop()
        _rewatching[writer] = loop.call_later(REWATCH_SECONDS, _rewatch, writer)
        return
    _rewatching[writer] = None
    _set(
        writer,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *_tcp_option("TCP_USER_TIMEOUT", round(DEAF_SECONDS * 1000)),
        *_tcp_option(
            "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE", PROBE_AFTER_SECONDS
        ),
        *_tcp_option("TCP_KEEPINTVL", PROBE_INTERVAL_SECONDS),
        *_tcp_option("TCP_KEEPCNT", PROBES),
    )


def watch_reused(writer: asyncio.StreamWriter) -> None:
    """End the probes of a connection that serves a turn again. The limit for unacknowledged bytes stays."""
    if timer := _rewatching.get(writer):
        _rewatching[writer] = None
        timer.cancel()
    else:
        _set(writer, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0))


def _rewatch(writer: asyncio.StreamWriter) -> None:
    _rewatching[writer] = None
    _set(writer, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))


def has_input(writer: asyncio.StreamWriter) -> bool:
    """Return whether the system holds bytes or the end of the connection that the loop has not read yet."""
    if (found := _socket_of(writer)) is None or (descriptor := found.fileno()) < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def unread(writer: asyncio.StreamWriter) -> bytes:
    """Return the bytes that the system holds and the loop has not read. They stay where they are."""
    found = _socket_of(writer)
    if found is None or writer.is_closing() or not has_input(writer):
        return b""
    try:
        # the object of uvloop cannot receive
        with socket.socket(fileno=os.dup(found.fileno())) as same:
            return same.recv(UNREAD_BYTES, socket.MSG_PEEK)
    except OSError:
        return b""


def round_trip(server: Server) -> float:
    """Return the seconds of the shorter handshake of a connection, within the bounds of this module."""
    marks = (server.timestamp_start, server.timestamp_tcp_setup, server.timestamp_tls_setup)
    spans = [end - start for start, end in pairwise(marks) if start is not None and end is not None]
    return max(SHORTEST_ROUND_TRIP, min([*spans, LONGEST_ROUND_TRIP]))


def _socket_of(writer: asyncio.StreamWriter) -> socket.socket | None:
    found: socket.socket | None = writer.get_extra_info("socket")
    return found


def _tcp_option(name: str, value: int) -> list[tuple[int, int, int]]:
    number = getattr(socket, name, None)
    return [] if number is None else [(socket.IPPROTO_TCP, number, value)]


def _set(writer: asyncio.StreamWriter, *options: tuple[int, int, int]) -> None:
    """Set options (level, name, value). Nothing happens if the connection has ended or is no TCP connection."""
    if (found := _socket_of(writer)) is None or (descriptor := found.fileno()) < 0:
        return
    # the object of uvloop makes a socket of its own for each option
    same = socket.socket(found.family, found.type, found.proto, descriptor)
    try:
        for level, name, value in options:
            # an option that this kind of socket does not have
            with suppress(OSError):
                same.setsockopt(level, name, value)
    finally:
        same.detach()


def call_hooks_directly(addons: AddonManager) -> None:
    """Call the methods of a hook in the order of the addons, without a search for them each time."""
    methods = _HookMethods(addons)

    async def handle_lifecycle(hook: hooks.Hook) -> None:
        args = hook.args()
        await _call(methods.of(hook.name), args)
        if isinstance(args[0], flow.Flow):
            await _call(methods.of(hooks.UpdateHook.name), ([args[0]],))

    addons.__dict__["handle_lifecycle"] = handle_lifecycle


_Methods = list[Callable[..., object]]


async def _call(groups: Iterable[_Methods], args: Sequence[Any]) -> None:
    for methods in groups:
        try:
            for method in methods:
                answer = method(*args)
                if answer is not None and inspect.isawaitable(answer):
                    await answer
        except AddonHalt:
            return
        except Exception:
            # entered only now: it costs more than most hooks
            with safecall():
                raise


class _HookMethods:
    """The methods of hooks, found once for each set of addons."""

    def __init__(self, addons: AddonManager) -> None:
        self._addons = addons
        self._known: list[object] = []
        self._found: dict[str, list[_Methods]] = {}

    def of(self, name: str) -> list[_Methods]:
        """Return the methods of a hook: a group for each addon of the chain, with those of the addons inside it."""
        if self._known != self._addons.chain:
            self._known = list(self._addons.chain)
            self._found.clear()
        if (groups := self._found.get(name)) is None:
            every = (self._of_addon(addon, name) for addon in self._known)
            groups = self._found[name] = [methods for methods in every if methods]
        return groups

    def _of_addon(self, addon: object, name: str) -> _Methods:
        every = (getattr(one, name, None) for one in traverse([addon]))
        return [method for method in every if callable(method)]
