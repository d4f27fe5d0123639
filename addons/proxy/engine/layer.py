"""The HTTP layer of one client connection: makes a stream for each turn, removes credentials, tracks connections.

It is the second of two error boundaries. An exception inside mitmproxy's protocol code reaches no stream; it is caught
here. Then no coroutine that waits for a hook or a connection can be trusted to be resumed: its command may be lost. So
each turn of the connection abandons what it waits for and gets its typed answer at once.

Never does: leave a client waiting. Invariant: a hook that was run at once is reported to its stream, even after an
exception; what waits for a reply is listed in `command_sources` or was abandoned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpStream,
    RegisterHttpConnection,
)
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import RequestHeaders
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook

from addons.core.turn import Fault
from addons.proxy.engine.client_pool import ClientPool
from addons.proxy.engine.http1 import ListenerHttp1, UpstreamHttp1, receive
from addons.proxy.engine.injected import (
    ConnectDeadline,
    Injected,
    InjectedEvent,
    Signal,
    without_quotes,
)
from addons.proxy.engine.interfaces import LayerEngine
from addons.proxy.engine.mitmproxy_patches.command_pump import CommandPump, Reply
from addons.proxy.engine.mitmproxy_patches.connections import fork
from addons.proxy.engine.mitmproxy_patches.http1_connections import Flush, Relayed
from addons.proxy.engine.mitmproxy_patches.http2 import ListenerHttp2
from addons.proxy.engine.pool import ConnectionKey, GetPooledConnection
from addons.proxy.engine.stream import TurnStream
from addons.proxy.engine.timers import WakeupTimers
from addons.proxy.engine.upstream.notices import UpstreamNotice
from addons.proxy.engine.websocket.client_socket import ClientSocket, SwitchProtocols

_RELAYING = (ListenerHttp1, ClientSocket)


class ShimHttpLayer(CommandPump):
    """mitmproxy's HTTP layer in which every stream is a turn."""

    _engine: LayerEngine
    _timers: WakeupTimers | None

    def __init__(self, context: Context, engine: LayerEngine) -> None:
        super().__init__(context, engine)
        self._is_reading = False
        """Whether the event under way is a read of the client's connection."""
        self.relaying: dict[Connection, UpstreamHttp1 | ListenerHttp1] = {}
        """The connections whose bytes reach their parser as they are: those of upstreams without TLS, and the client's."""
        self._pool = ClientPool(engine, context, self.connections)
        if context.client.alpn == b"h2":
            self.connections[context.client] = ListenerHttp2(fork(context))
        else:
            listener = ListenerHttp1(fork(context), engine.limits, self.streams)
            self.connections[context.client] = self.relaying[context.client] = listener

    # Events -----------------------------------------------------------------------------------------------

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Relay most reads of a stream's body at once. Everything else goes through mitmproxy's layers."""
        relayed: Relayed | None = None
        if type(event) is events.DataReceived:
            relayed = self.relay(event.connection, event.data)
        writes, is_all = relayed or ((), False)
        yield from writes
        if not is_all:
            yield from self.handle_unrelayed(event)

    def handle_unrelayed(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event that `relay` has left over. Not by mitmproxy's method: no command blocks this layer itself."""
        return self._handle_event(event)

    def relay(self, connection: Connection, data: bytes) -> Relayed | None:
        """Return the writes to the client that a read of a stream's body leads to. None: it has to be handled."""
        parser = self.relaying.get(connection)
        relayed = parser.relay(data) if parser else None
        return relayed and (self.writes.take_with(relayed[0]), relayed[1])

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event, then the completion of the hooks that it led to.

        Not earlier: the protocol code cannot be entered again in the middle of an event.
        """
        self._due.append(event)
        while self._due:
            event = self._due.popleft()
            try:
                yield from self._pass_on(self._on_event(event))
            except Exception as error:  # noqa: BLE001  the second error boundary: failures of the protocol code
                fault = self._engine.internal_fault(error)
                yield from self._pass_on(self._end_turns(fault, event))
        yield from self.writes.take_at_end()

    def _pass_on(self, found: CommandGenerator[None]) -> CommandGenerator[None]:
        """Yield what only the handler of the connections can carry out, behind the writes that come before it."""
        for command in found:
            if isinstance(command, UpstreamNotice):
                if self._pool.ends_at(command):
                    yield from self._pass_on(self.close(command.connection))
                continue
            if isinstance(command, SwitchProtocols):
                self._switch_protocols(command)
                continue
            yield from self.writes.take()
            if type(command) is not Flush:
                yield without_quotes(command) if isinstance(command, commands.Log) else command
            if isinstance(command, commands.OpenConnection):
                self._engine.ensure_closed(self.context.client, command.connection)

    def _on_event(self, event: events.Event) -> CommandGenerator[None]:
        self._is_reading = False
        if type(event) is events.DataReceived and (top := self.connections.get(event.connection)):
            self._is_reading = event.connection is self.context.client
            return self.event_to_child(top, event)
        if isinstance(event, RequestHeaders):
            # a whole one: no event of it follows, and the parser is behind it
            self._begins_inside = False
            return self.begin_turn(event)
        if isinstance(event, events.CommandCompleted):
            return self._on_reply(event)
        return self._on_rare_event(event)

    def _on_rare_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, InjectedEvent):
            yield from self._on_injected(event)
        elif isinstance(event, events.Start):
            self._timers = self._pool.timers = self._engine.prepare_client(self)
            # without mitmproxy's own parser, which it makes and drops when there is one
            yield from self.event_to_child(self.connections[self.context.client], event)
        elif isinstance(event, events.ConnectionEvent) and self._is_forgotten(event.connection):
            if event.connection.state is not ConnectionState.CLOSED:
                # the near side as well
                yield commands.CloseConnection(event.connection)
        else:
            yield from super()._handle_event(event)
            if isinstance(event, events.ConnectionClosed):
                self._forget(event.connection)
                if self.context.client.state is ConnectionState.CAN_WRITE:
                    self._engine.watch_half_closed(self.context.client)

    def _on_reply(self, event: events.CommandCompleted) -> CommandGenerator[None]:
        """Pass a reply on to the layer that asked, unless that layer has abandoned its wait."""
        if self._pool.is_check(event.command):
            for connection in self._pool.expired():
                yield from self.close(connection)
        if (source := self.command_sources.pop(event.command, None)) is None:
            return
        if not isinstance(event.command, ConnectDeadline):
            yield from self.event_to_child(source, event)
        elif isinstance(source, TurnStream):
            source.attempt.connect_timed_out = True
            yield from self._stop_connecting(source)

    def _on_injected(self, event: InjectedEvent) -> CommandGenerator[None]:
        stream = self.streams.get(event.message.stream_id)
        if not isinstance(stream, TurnStream) or stream.flow is not event.flow:
            return
        yield from self.event_to_child(stream, event)
        if event.message.signal is Signal.FAULT:
            yield from self._stop_connecting(stream)

    def reply_at_once(self, command: commands.Command) -> Reply | None:
        """Run a hook, unless the client's parser is in the middle of a read: an answer would enter it again."""
        if self._is_reading or (self._begins_inside and type(command) is HttpRequestHeadersHook):
            return None
        is_run = isinstance(command, commands.StartHook) and self._engine.run_hook(command)
        return (None,) if is_run else None

    def forget_wakeup(self, wakeup: commands.RequestWakeup | None) -> None:
        """Release the stream that asked. mitmproxy would keep it, bodies and all, until the time is up."""
        if wakeup:
            self.command_sources.pop(wakeup, None)
            if self._timers:
                self._timers.cancel(wakeup)

    # Error boundary ---------------------------------------------------------------------------------------

    def _end_turns(self, fault: Fault, cause: events.Event) -> CommandGenerator[None]:
        """End each turn of the connection. Close it unless its parser is known to be intact, and each turn had an answer."""
        turns = list(dict.fromkeys(s for s in self.streams.values() if isinstance(s, TurnStream)))
        intact = bool(turns) and getattr(cause, "connection", None) is not self.context.client
        for turn in turns:
            intact = intact and hasattr(turn, "flow") and not turn.state.is_ending
            try:
                yield from self._end_turn(turn, fault)
            except Exception as error:  # noqa: BLE001  the answer failed as well: only the end is left
                self._engine.internal_fault(error)
                self._remove(turn)
                intact = False
        if not intact:
            yield commands.CloseConnection(self.context.client)

    def _end_turn(self, turn: TurnStream, fault: Fault) -> CommandGenerator[None]:
        if not hasattr(turn, "flow"):
            self._remove(turn)
            return
        yield from self._abandon_connecting(turn)
        for command in [c for c, source in self.command_sources.items() if source is turn]:
            del self.command_sources[command]
        queued = turn.abandon_wait()
        turn.mark_for_termination(fault)
        if connection := turn.attempt.connection:
            yield from self.close(connection)
        message = Injected(turn.stream_id, Signal.FAULT, fault=fault)
        for event in (InjectedEvent(turn.flow, message), *queued):
            yield from self.event_to_child(turn, event)

    def _remove(self, turn: TurnStream) -> None:
        """Take a turn out of the layer and the engine without another command."""
        for stream_id in [i for i, stream in self.streams.items() if stream is turn]:
            del self.streams[stream_id]
        if hasattr(turn, "flow"):
            turn.leave()

    def _abandon_connecting(self, turn: TurnStream) -> CommandGenerator[None]:
        """Take a turn out of the queues for connections. Close a connection that no other turn waits for."""
        for connection, waiting in list(self.waiting_for_establishment.items()):
            if turn.waits_for in waiting:
                waiting.remove(turn.waits_for)
                if not waiting:
                    del self.waiting_for_establishment[connection]
                    yield from self.close(connection)

    # Streams ----------------------------------------------------------------------------------------------

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        """Make the stream of a turn."""
        make = self._engine.stream_type or TurnStream
        self.streams[stream_id] = make(fork(self.context), stream_id, self._engine, self)
        yield from ()

    def begin_turn(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Make a stream. Remove the client's credentials from its request before the flow exists."""
        if self.context.client.state is ConnectionState.CLOSED:
            return  # after a failure behind the request
        yield from self.make_stream(event.stream_id)
        if isinstance(stream := self.streams[event.stream_id], TurnStream):
            side, client = stream.request_side, self.connections[self.context.client]
            if isinstance(client, ClientSocket):
                side.client_authority, side.credentials, side.frame = client.beginning
            else:
                side.take_from(event)
        yield from self.event_to_child(stream, event)

    def _switch_protocols(self, switch: SwitchProtocols) -> None:
        """Let a WebSocket take the place of the client's HTTP/1 connection."""
        client, stream = self.context.client, self.streams[switch.stream_id]
        assert isinstance(stream, TurnStream)  # noqa: S101  that of the upgrade, which ends just now
        socket = ClientSocket(fork(self.context), switch, stream.request_side, self._engine)
        self.connections[client] = socket
        self._engine.keep_open(client)
        if switch.ahead:
            self._due.append(events.DataReceived(client, switch.ahead))

    def client_failed(self, stream: HttpStream, event: HttpEvent) -> CommandGenerator[None]:
        """End a turn whose client has failed, while it waits for a connection as well."""
        yield from self.event_to_child(stream, event)
        if isinstance(stream, TurnStream):
            yield from self._stop_connecting(stream)

    # Windows of an HTTP/2 client --------------------------------------------------------------------------

    @property
    def windows(self) -> ListenerHttp2 | None:
        """What knows the windows of the client's streams, if it has any."""
        client = self.connections[self.context.client]
        return client if isinstance(client, ListenerHttp2) else None

    async def upstream_drained(self, connection: Connection) -> None:
        """Wait while much of what an upstream connection brought is held back by the client."""
        if top := self.connections.get(connection):
            stream = self.streams.get(getattr(top.context.layers[-1], "stream_id", None) or 0)
            if isinstance(stream, TurnStream):
                await stream.drained()

    # Connections ------------------------------------------------------------------------------------------

    def _stop_connecting(self, stream: TurnStream) -> CommandGenerator[None]:
        """Answer a stream that waits for a connection: it gets none."""
        command = stream.waits_for
        if not isinstance(command, GetHttpConnection) or command not in self.command_sources:
            return
        yield from self._abandon_connecting(stream)
        del self.command_sources[command]
        given_up = GetHttpConnectionCompleted(command, (None, "given up"))
        yield from self.event_to_child(stream, given_up)

    def get_connection(
        self,
        event: GetHttpConnection,
        *,
        reuse: bool = True,  # noqa: ARG002  the request says so itself
    ) -> CommandGenerator[None]:
        """Open a connection for one turn. mitmproxy would let turns of HTTP/2 wait for one another.

        It speaks HTTP/1.1 and names its own host: mitmproxy would pass on the ALPN offers and the SNI of the client.
        """
        assert isinstance(event, GetPooledConnection)  # noqa: S101  turns ask for nothing else
        known = set(self.connections)
        for command in super().get_connection(event, reuse=False):
            for connection in self.connections.keys() - known:
                if isinstance(connection, Server):
                    self._pool.prepare(connection, event)
            yield command

    def idle_connection(self, key: ConnectionKey) -> Server | None:
        """Return an idle connection that has this key, of this client or of the pool."""
        return self._pool.find(key) or self._attach_idle(key)

    def _attach_idle(self, key: ConnectionKey) -> Server | None:
        """Continue with an idle connection of the pool, if there is one."""
        if (idle := self._engine.checkout(self.context.client, key)) is None:
            return None
        top, context = idle.layers[0], idle.layers[0].context
        context.client = self.context.client
        context.layers[:] = [*self.context.layers, *idle.layers]
        self.connections[idle.server] = top
        self._pool.keys[idle.server] = key
        if idle.may_be_stale:
            self.mark_used(idle.server)
        cast("UpstreamHttp1", idle.layers[-1]).begin(self._engine.limits.head_bytes, self._relayed)
        self._pool.install_parser(idle.server, self._relayed)
        self._relay_at_once(idle.server)
        return idle.server

    def release_idle(self) -> list[tuple[Server, list[layer.Layer], ConnectionKey]]:
        """Forget the connections that another client can use, and return each with its layers and its key."""
        idle = self._pool.unused(len(self.context.layers), self.streams)
        for server, layers, _ in idle:
            self._forget(server)
            layers[0].context.layers[:] = layers
            cast("UpstreamHttp1", layers[-1]).detach()
        return idle

    def register_connection(self, command: RegisterHttpConnection) -> CommandGenerator[None]:
        """Install the parser of a new connection. Forget a failed one: mitmproxy would repeat its error for ever."""
        if command.connection not in self.waiting_for_establishment:
            return
        if command.err:
            self._forget(command.connection)
        else:
            self._pool.install_parser(command.connection, self._relayed)
            self._relay_at_once(command.connection)
        yield from super().register_connection(command)

    def _relay_at_once(self, connection: Connection) -> None:
        """Let this connection's reads reach its parser directly if no layer changes them in between."""
        around, protocol = self.connections[connection].context.layers[-2:]
        if self.connections[connection] is around and isinstance(protocol, UpstreamHttp1):
            self.relaying[connection] = protocol

    def _relayed(self, attempt_id: int, data: bytes) -> Sequence[commands.Command]:
        """Return what a part of an upstream's body leads to. Deltas become the client's bytes here, without events."""
        stream, client = self.streams.get(attempt_id), self.connections[self.context.client]
        if isinstance(stream, TurnStream) and isinstance(client, _RELAYING) and client.chunks:
            written = stream.relay_at_once(attempt_id, data)
            if written is not None:
                sent = (client.chunk(written),) if written else ()
                return (*sent, receive(attempt_id, b"")) if stream.needs_event else sent
        return (receive(attempt_id, data),)

    def close(self, connection: Connection) -> CommandGenerator[None]:
        """Close an upstream connection, and the connection to the proxy that carries it. Drop its late events."""
        for part in self._forget(connection):
            yield commands.CloseConnection(part)

    def _forget(self, connection: Connection) -> list[Connection]:
        """Remove an upstream connection, and the one that carries it, from this layer. Return both."""
        if connection is self.context.client or connection not in self.connections:
            return []
        stack = self.connections[connection]
        for part in (parts := [part for part, top in self.connections.items() if top is stack]):
            del self.connections[part]
            self.relaying.pop(part, None)
            self._used.discard(part)
            self._pool.keys.pop(part, None)
        return parts

    def _is_forgotten(self, connection: Connection) -> bool:
        return connection not in self.connections and connection is not self.context.server

    def has_left(self, connection: Connection) -> bool:
        """Return whether a connection has ended that this client no longer has."""
        return connection.state is ConnectionState.CLOSED and self._is_forgotten(connection)
