"""Carries events and commands between the layers of one client connection, and runs what needs no task.

Commands: mitmproxy tests the type of each one up to eleven times, and yields nearly all of them through every caller to the
handler of the connections. Here a layer's command is carried out where it appears; only what the handler has to do is yielded.

Writes: the head of an answer comes with no delta, and the deltas mostly follow at once. So it waits until the loop has read
what is there, and no longer: one write in place of two, and the client wakes once.

Replies: mitmproxy pauses a stream at each blocking command, queues the events that follow, and resumes it by an event of its
own. Here a stream goes on at once when the reply is known: no addon waits, a connection is idle.

Hooks: mitmproxy gives each hook a task, two rounds of the addon chain and a round of the event loop. Where all addons are
known, none of them is a coroutine and no addon intercepts flows, a call does the same.

Dispatching: each event passes the layer of the mode and `NextLayer`, which only pass it on. Most are reads whose bytes need
neither a command nor a lock; and after each one mitmproxy takes another lock to wait for buffers that are empty.

Never does: decide what a turn does or which reply is known, copy a large body, or run a hook that an addon may wait in.
Invariant: writes and commands reach the handler, and events a stream, in the order in which they appeared. An addon's
exception is logged and stops there.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamWriter
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any, Protocol, cast

from mitmproxy import http
from mitmproxy.addonmanager import AddonManager, safecall, traverse
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.commands import SendData
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Paused
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HTTPMode,
    HttpStream,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders, RequestProtocolError
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.layers.modes import ReverseProxy
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO

from addons.proxy.engine.mitmproxy_patches.http1_connections import (
    CoalescedReads,
    CoalescedWrites,
    Relayed,
    WholeRequest,
)

Reply = tuple[Any]
"""The one reply to a command, which may be None."""


class RepliesAtOnce(Protocol):
    """The layer of a stream."""

    def reply_at_once(self, command: commands.Command) -> Reply | None:
        """Return the reply to a blocking command if it is known now."""


class PromptStream(HttpStream):
    """mitmproxy's stream, with a pause only at commands that take time."""

    _layer: RepliesAtOnce

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event, or queue it while the stream is paused. The reply that is waited for ends the pause."""
        if (paused := self._paused) is None:
            return self._run(self._handle_event(event))
        if isinstance(event, events.CommandCompleted) and event.command is paused.command:
            self._paused = None
            return self._resume(paused.generator, event.reply)
        self._paused_event_queue.append(event)
        return cast("CommandGenerator[None]", iter(()))

    def _run(
        self, generator: CommandGenerator[None], reply: object = None
    ) -> CommandGenerator[None]:
        try:
            while True:
                command = generator.send(reply)
                reply = None
                if command.blocking is not True:
                    yield command
                elif found := self._layer.reply_at_once(command):
                    (reply,) = found
                else:
                    command.blocking = self
                    self._paused = Paused(command, generator)
                    yield command
                    return
        except StopIteration:
            return

    def _resume(self, generator: CommandGenerator[None], reply: object) -> CommandGenerator[None]:
        yield from self._run(generator, reply)
        while not self._paused and self._paused_event_queue:
            yield from self._run(self._handle_event(self._paused_event_queue.popleft()))


FlowHook = Callable[[http.HTTPFlow], object]
FLOW_HOOKS = (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
    HttpErrorHook,
)


class SyncHookRunner:
    """The flow hooks of a master's addons. Runs none if one of them is a coroutine or an addon has an `update` hook."""

    def __init__(self, addons: AddonManager) -> None:
        self._addons = addons
        self._known: list[object] = []
        self._found: dict[type[commands.StartHook], list[FlowHook]] = {}

    def run(self, command: commands.StartHook) -> bool:
        """Run a hook if it is a flow hook and can be run at once. Return whether it was run."""
        if self._known != self._addons.chain:
            self._look()
        methods = self._found.get(type(command))
        if methods is None or not isinstance(command, FLOW_HOOKS):
            return False
        for method in methods:
            try:
                method(command.flow)
            except Exception:
                # entered only now: it costs more than most hooks
                with safecall():
                    raise
        return True

    def _look(self) -> None:
        self._known = list(self._addons.chain)
        found: dict[type[commands.StartHook], list[FlowHook]] = {
            hook: _methods(self._addons, hook.name) for hook in FLOW_HOOKS
        }
        waits = any(iscoroutinefunction(one) for methods in found.values() for one in methods)
        self._found = {} if waits or _methods(self._addons, "update") else found


def _methods(addons: AddonManager, name: str) -> list[FlowHook]:
    return [one for each in traverse(addons.chain) if callable(one := getattr(each, name, None))]


# Reads that need no event -----------------------------------------------------------------------------------


class RelayingLayer(Protocol):
    """A layer that knows what most reads lead to without handling an event."""

    context: Context
    writes: CoalescedWrites

    @property
    def relaying(self) -> Mapping[Connection, CoalescedReads]:
        """The connections of which it may know that, while a body is under way."""

    def handle_unrelayed(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event that `relay` has left over."""

    def has_left(self, connection: Connection) -> bool:
        """Return whether a connection has ended that the layer no longer has."""

    def relay(self, connection: Connection, data: bytes) -> Relayed | None:
        """Return what a read leads to. None: its event has to be handled."""


def handle_directly(handler: ConnectionHandler, layer: RelayingLayer) -> None:
    """Let a layer have the events of its client's connections if only the layer of the reverse mode is above it."""
    if not isinstance(top := handler.layer, ReverseProxy) or layer.context.layers != [top, layer]:
        return
    top.__dict__["handle_event"] = layer.handle_unrelayed
    usual_event, usual_drain = handler.server_event, handler.drain_writers

    async def server_event(event: events.Event) -> None:
        if type(event) is events.ConnectionClosed and layer.has_left(event.connection):
            return
        if type(event) is not events.DataReceived:
            await usual_event(event)
            return
        parser = layer.relaying.get(event.connection)
        is_part = parser and parser.is_reading_body
        if not (is_part and _relay(handler, layer, event.connection, event.data)):
            await usual_event(event)
        if parser and parser.is_reading_body:
            _relay_from_transport(handler, event.connection, layer, parser)

    async def drain_writers() -> None:
        if not _are_drained(handler.transports.values()):
            await usual_drain()  # type: ignore[no-untyped-call]

    call_soon = asyncio.get_running_loop().call_soon
    layer.writes.when_held = lambda: call_soon(lambda: _write(handler, layer.writes.take()))
    handler.__dict__.update(server_event=server_event, drain_writers=drain_writers)


def _relay(
    handler: ConnectionHandler, layer: RelayingLayer, connection: Connection, data: bytes
) -> bool:
    """Relay a read if the lock is free: no other event is being handled. Return whether that was all."""
    is_busy = handler._server_event_lock.locked()  # noqa: SLF001
    if is_busy or (relayed := layer.relay(connection, data)) is None:
        return False
    handler.timeout_watchdog.register_activity()
    _write(handler, relayed[0])
    return relayed[1]


LARGEST_DIRECT_READ = 32 * 1024
"""A larger one of an upstream becomes several events."""


def _relay_from_transport(
    handler: ConnectionHandler, connection: Connection, layer: RelayingLayer, parser: CoalescedReads
) -> None:
    """Let further reads of a body reach the layer without waking the task that reads this connection.

    Only while that task waits for nothing but data, and the system has taken everything that was written before.
    """
    io = handler.transports.get(connection)
    if io is None or not isinstance(reader := io.reader, asyncio.StreamReader):
        return
    if "feed_data" in reader.__dict__:
        return
    usual = reader.feed_data

    def feed_data(data: bytes) -> None:
        if not (
            parser.is_reading_body
            and waits_for_data(reader)
            and (len(data) <= LARGEST_DIRECT_READ or connection is handler.client)
            and _are_drained(handler.transports.values())
            and _relay(handler, layer, connection, data)
        ):
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


def _are_drained(all_io: Iterable[ConnectionIO]) -> bool:
    """Return whether the system has taken all that was written. asyncio would wait for nothing then."""
    for io in all_io:
        writer = io.writer
        if type(writer) is StreamWriter:
            # not by its properties: this runs for every read of a stream
            transport = writer._transport  # type: ignore[attr-defined]  # noqa: SLF001
            if transport.get_write_buffer_size() or transport.is_closing():
                return False
        elif writer is not None:
            return False
    return True


# Commands of a connection's layers ----------------------------------------------------------------------------


class RunsHooks(Protocol):
    """What runs the hooks of a layer."""

    @property
    def run_hook(self) -> Callable[[commands.StartHook], bool]:
        """Runs a hook at once, if it can. Returns whether."""


class Timers(Protocol):
    """The wake-ups of one client connection."""

    def set(self, wakeup: commands.RequestWakeup) -> None:
        """Let a wake-up come when its time is up."""


class CommandPump(HttpLayer):
    """An HTTP layer that carries out the commands of its layers and streams. What a turn needs is up to the subclass."""

    def __init__(self, context: Context, engine: RunsHooks) -> None:
        super().__init__(context, HTTPMode.transparent)
        self._engine: RunsHooks = engine
        self._timers: Timers | None = None
        self.writes = CoalescedWrites()
        """What goes to the connections before the next command that is yielded."""
        self._due: deque[events.Event] = deque()
        """Events to be handled: whole requests and the completion of hooks, behind the event that led to them."""
        self._begins_inside = False
        """Whether the last request began in the middle of an event: one sent ahead is read while an answer ends."""
        self._last_attempt_id = 0
        self._used: set[Connection] = set()

    # What the subclass does -------------------------------------------------------------------------------

    def begin_turn(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Make the stream of a request, and pass the event to it."""
        raise NotImplementedError

    def client_failed(self, stream: HttpStream, event: HttpEvent) -> CommandGenerator[None]:
        """End a turn whose client has failed."""
        raise NotImplementedError

    # Commands ---------------------------------------------------------------------------------------------

    def event_to_child(
        self, child: layer.Layer | HttpStream, event: events.Event
    ) -> CommandGenerator[None]:
        """Pass an event to a layer, and carry out its commands."""
        for command in child.handle_event(event):
            if isinstance(command, SendData):
                self.writes.add(command)
            elif isinstance(command, ReceiveHttp):
                yield from self._receive(command.event)
            elif isinstance(command, SendHttp):
                yield from self.event_to_child(self.connections[command.connection], command.event)
            else:
                yield from self._carry_out(command, child)

    def _receive(self, event: HttpEvent) -> Iterable[commands.Command]:
        """Pass an event to its stream: a whole request soon, and nothing to a stream that has ended."""
        if type(event) is WholeRequest:
            self._due.append(event)
            return ()
        if type(event) is RequestHeaders:
            self._begins_inside = True
            return self.begin_turn(event)
        if (stream := self.streams.get(event.stream_id)) is None:
            return ()
        if type(event) is RequestProtocolError:
            return self.client_failed(stream, event)
        return self.event_to_child(stream, event)

    def _carry_out(
        self, command: commands.Command, source: layer.Layer | HttpStream
    ) -> CommandGenerator[None]:
        """Carry out a command of a layer that is neither a write nor an event for another layer."""
        if command.blocking or isinstance(command, commands.RequestWakeup):
            self.command_sources[command] = source
        if isinstance(command, commands.StartHook) and self._engine.run_hook(command):
            if command.blocking:
                self._due.append(events.HookCompleted(command))
        elif isinstance(command, commands.RequestWakeup) and self._timers:
            self._timers.set(command)
        elif isinstance(command, DropStream):
            self.streams.pop(command.stream_id, None)
        elif isinstance(command, GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            if isinstance(command, commands.OpenConnection):
                self.connections[command.connection] = source
            yield command

    # Attempts ---------------------------------------------------------------------------------------------

    def register_attempt(self, stream: HttpStream) -> int:
        """Return a fresh id for an attempt of this stream. Even: clients only use odd ones."""
        self._last_attempt_id += 2
        self.streams[self._last_attempt_id] = stream
        return self._last_attempt_id

    def mark_used(self, connection: Connection) -> bool:
        """Note that an upstream connection serves a turn. Return whether it had served one before."""
        before = len(self._used)
        self._used.add(connection)
        return len(self._used) == before
