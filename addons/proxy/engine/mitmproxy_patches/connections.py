"""Corrections to how mitmproxy serves, closes, reads and limits connections.

Closing: mitmproxy closes a connection by cancelling its task. A task that waits for the event lock at that moment ends
without closing its socket or reporting: an upstream would go on sending, and charging, for a turn that is over. (Hooks
queue on that lock, so it happens whenever a turn ends while more data is at hand.)

Reading: mitmproxy reads 64 KB at a time. uvloop brings 250 KB with one system call, so the stream would be paused,
emptied in four events and resumed for each of them.

Connecting: mitmproxy lets a client have five connections to one address, and a sixth one waits, without any limit of time.
An HTTP/2 client may run a hundred turns at once, and each needs a connection.

Forking: mitmproxy makes a `Server` with a random id for each fork of a context, and drops it at once.

Probing: an idle connection is probed by TCP keepalive, so that one whose peer is gone ends here before it is used. While it is
idle and while its next request is on the way, `TCP_USER_TIMEOUT` bounds the time that the peer may leave bytes
unacknowledged. Keepalive is off during a turn: an outage while the upstream is silent need not end an answer. An option that
the system lacks is left out.

Hooks: for each one mitmproxy enters a generator, a coroutine and a context for each addon. Here the methods are looked up once.

Serving: mitmproxy gives each client four tasks: to wait for the one that reads, for the time-out, and to ask the addons for the
layer. Codex opens a connection for each request. Where all addons are known, one task does it, and the time-out is a timer.

Never does: open a connection or a listener, consume or write a byte. Invariant: a connection whose task has ended is closed and reported once.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import select
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, pairwise
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import flow, hooks
from mitmproxy.addonmanager import AddonManager, safecall, traverse
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.exceptions import AddonHalt
from mitmproxy.master import Master
from mitmproxy.proxy import events, layer, mode_servers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.mode_specs import ReverseMode
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


_Methods = list[Callable[..., object]]
_DIRECT_HOOKS = "direct_hooks"
"""The attribute of a master whose clients are served by `ClientHandler`."""


class DirectHooks:
    """The hooks of a master's addons. Their methods are found once for each set of addons."""

    def __init__(self, addons: AddonManager) -> None:
        self._addons = addons
        self._known: list[object] = []
        self._found: dict[str, tuple[list[_Methods], bool]] = {}

    def waits(self, name: str) -> bool:
        """Return whether a method of a hook may wait."""
        return self._of(name)[1]

    def run_at_once(self, name: str, *args: Any) -> None:
        """Call the methods of a hook, of which none waits."""
        with suppress(StopIteration):
            self.run(name, args).send(None)

    async def run(self, name: str, args: Sequence[Any]) -> None:
        """Call the methods of a hook in the order of the addons."""
        for methods in self._of(name)[0]:
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

    def _of(self, name: str) -> tuple[list[_Methods], bool]:
        """Return the methods of a hook, a group for each addon of the chain with those inside it, and whether one may wait."""
        if self._known != self._addons.chain:
            self._known = list(self._addons.chain)
            self._found.clear()
        if (found := self._found.get(name)) is None:
            groups = [each for addon in self._known if (each := self._of_addon(addon, name))]
            found = groups, any(map(inspect.iscoroutinefunction, chain(*groups)))
        return self._found.setdefault(name, found)

    def _of_addon(self, addon: object, name: str) -> _Methods:
        return [one for each in traverse([addon]) if callable(one := getattr(each, name, None))]


def call_hooks_directly(master: Master) -> None:
    """Call the methods of a hook without a search for them each time, and serve clients with one task each."""
    found = vars(master)[_DIRECT_HOOKS] = DirectHooks(master.addons)

    async def handle_lifecycle(hook: hooks.Hook) -> None:
        args = hook.args()
        await found.run(hook.name, args)
        if isinstance(args[0], flow.Flow):
            await found.run(hooks.UpdateHook.name, ([args[0]],))

    master.addons.__dict__["handle_lifecycle"] = handle_lifecycle
    setattr(mode_servers, "ProxyConnectionHandler", _handler)  # noqa: B010  mypy knows of no such change


_UsualHandler = mode_servers.ProxyConnectionHandler


def _handler(master: Master, r: Any, w: Any, options: Any, mode: Any) -> ConnectionHandler:
    """Return the handler of a new client. mitmproxy looks it up each time."""
    made = ClientHandler if _DIRECT_HOOKS in vars(master) else _UsualHandler
    return made(master, r, w, options, mode)


class DirectNextLayer(layer.NextLayer):
    """Asks the addons for the layer below that of the reverse mode, without a task unless one of them waits."""

    def __init__(self, context: Context, found: DirectHooks) -> None:
        super().__init__(context)
        self._hooks = found

    def _ask(self) -> layer.CommandGenerator[None]:
        if self._hooks.waits("next_layer"):
            return (yield from super()._ask())  # type: ignore[no-untyped-call, no-any-return]
        self._hooks.run_at_once("next_layer", self)
        if (found := self.layer) is None:
            return
        for event in self.events:
            yield from found.handle_event(event)
        self.events.clear()
        event_to = found.handle_event
        self.__dict__.update(handle_event=event_to, _handle_event=event_to, _handle=event_to)


class ClientHandler(_UsualHandler):
    """mitmproxy's handler of a client, in the task that accepted it."""

    def __init__(self, master: Master, *args: Any) -> None:
        # not by the class between, which formats the address for a use that there is not
        super(_UsualHandler, self).__init__(*args)
        self.master = master
        self._hooks: DirectHooks = vars(master)[_DIRECT_HOOKS]

    async def handle_client(self) -> None:
        """Serve a client until it has left, then end what it has left behind. A cancelled task ends by itself."""
        client = self.client
        self.log("client connect")
        await self._hooks.run("client_connected", (client,))
        if client.error:
            self.log("client kill connection")
            if writer := self.transports.pop(client).writer:
                writer.close()
        else:
            if not self._start_at_once():
                await self.server_event(events.Start())
            await self._read()
        while self.wakeup_timer:
            self.wakeup_timer.pop().cancel()
        self.log("client disconnect")
        client.timestamp_end = time.time()
        await self._hooks.run("client_disconnected", (client,))
        tasks = (io.handler for io in self.transports.values())
        if left := [task for task in tasks if task and not task.cancelling()]:
            for task in left:
                task.cancel("client disconnected")
            await asyncio.wait(left)

    def _start_at_once(self) -> bool:
        """Start the layer of the reverse mode, unless it would connect to its target. Return whether it was started."""
        top, mode = self.layer, self.client.proxy_mode
        is_lazy = top.context.options.connection_strategy == "lazy"
        if not (is_lazy and isinstance(top, ReverseProxy) and isinstance(mode, ReverseMode)):
            return False
        top.context.server.address = mode.address
        top.child_layer = child = DirectNextLayer(top.context, self._hooks)
        child.events.append(events.Start())
        top.__dict__["handle_event"] = child.handle_event
        return True

    async def _read(self) -> None:
        """Read the client's connection in this task. Whoever cancels the task ends the connection, and nothing else."""
        client, loop, io = self.client, asyncio.get_running_loop(), self.transports[self.client]
        task = io.handler = asyncio.current_task()
        assert task  # noqa: S101  a coroutine runs in one
        self._time_out = loop.call_later(self.timeout_watchdog.timeout, self._check_activity)
        try:
            await self.handle_connection(client)
        except asyncio.CancelledError:
            pass
        except Exception:  # noqa: BLE001  what mitmproxy does
            self.log("connection handler has crashed", logging.ERROR, exc_info=True)
        self._time_out.cancel()
        io.handler = None
        while task.cancelling():
            # before 3.13 one that has not arrived yet stays on its way
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            task.uncancel()
        if self.transports.pop(client, None):
            # it was cancelled while it waited for the event lock
            client.state = ConnectionState.CLOSED
            if io.writer:
                io.writer.close()
            await self.server_event(events.ConnectionClosed(client))

    def _check_activity(self) -> None:
        """End the connection if nothing was received or sent for too long and no hook is under way."""
        watchdog, loop = self.timeout_watchdog, asyncio.get_running_loop()
        silent = 0.0 if watchdog.blocker else time.time() - watchdog.last_activity
        if (left := watchdog.timeout - silent) > 0:
            self._time_out = loop.call_later(left, self._check_activity)
        else:
            asyncio_utils.create_task(self.on_timeout(), name="time-out", keep_ref=True)
