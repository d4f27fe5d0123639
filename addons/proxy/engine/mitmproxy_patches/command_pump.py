"""The way of events and commands between the layers of one client connection.

mitmproxy asks each command what it is up to eleven times, and yields nearly all of them through every caller to the handler
of the connections. Here a layer's command is carried out where it appears; only what the handler has to do is yielded.

Never does: decide what a turn does. Invariant: writes and commands reach the handler in the order in which they appeared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
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

from addons.proxy.engine.mitmproxy_patches.coalesced_writes import CoalescedWrites


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
        self._writes = CoalescedWrites()
        """What goes to the connections before the next command that is yielded."""
        self._due: deque[events.Event] = deque()
        """Events to be handled, the completion of hooks that were run at once among them."""
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
            if isinstance(command, commands.SendData):
                self._writes.add(command)
            elif isinstance(command, ReceiveHttp):
                yield from self._receive(command.event)
            elif isinstance(command, SendHttp):
                yield from self.event_to_child(self.connections[command.connection], command.event)
            else:
                yield from self._carry_out(command, child)

    def _receive(self, event: HttpEvent) -> Iterable[commands.Command]:
        """Pass an event of a connection to its stream. Drop one of a stream that has ended."""
        if type(event) is RequestHeaders:
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
