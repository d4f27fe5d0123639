"""The HTTP layer of one client connection: makes our streams, takes credentials off, keeps connections honest.

The second border: what is raised inside mitmproxy's protocol code passes by every stream; it is caught here, each
turn of the connection gets its typed answer, and the client is never left waiting.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import cast

from mitmproxy import http
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    HttpStream,
    RegisterHttpConnection,
)
from mitmproxy.proxy.layers.http._events import RequestHeaders, RequestProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client

from addons.core.credential import Secret
from addons.core.headers import CLIENT_CREDENTIALS, LABEL, canonical
from addons.core.turn import Fault
from addons.proxy.engine.alarms import Alarms
from addons.proxy.engine.http1 import ListenerHttp1, UpstreamHttp1, receive
from addons.proxy.engine.joined import JoinedWrites
from addons.proxy.engine.messages import ConnectDeadline, Injected, InjectedEvent, SafeLog, Signal
from addons.proxy.engine.seams import EngineOfLayers
from addons.proxy.engine.stream import TurnStream


class ShimHttpLayer(HttpLayer):
    """mitmproxy's HTTP layer in which every stream is a turn."""

    def __init__(self, context: Context, engine: EngineOfLayers) -> None:
        super().__init__(context, HTTPMode.transparent)
        self._engine = engine
        self._last_wire_id = 0
        self._used: set[Connection] = set()
        self._alarms: Alarms | None = None
        if context.client.alpn != b"h2":
            self.connections[context.client] = ListenerHttp1(context.fork(), engine.limits)

    # Events -----------------------------------------------------------------------------------------------

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        writes = JoinedWrites()
        try:
            if isinstance(event, events.Start):
                self._engine.see_closed(self.context.client, self.context.client)
                self._engine.read_widely(self.context.client)
                self._alarms = self._engine.alarms_of(self.context.client)
            for command in self._commands(event):
                if type(command) is commands.SendData:
                    yield from writes.add(command)
                    continue
                if self._alarms and isinstance(command, commands.RequestWakeup):
                    self._alarms.set(command)
                    continue
                yield from writes.take()
                yield _without_quotes(command)
                if isinstance(command, commands.OpenConnection):
                    self._engine.see_closed(self.context.client, command.connection)
            yield from writes.take()
        except Exception as error:  # noqa: BLE001  border two: failures of the protocol code
            yield from writes.take()
            yield from self._end_turns(self._engine.internal_fault(error))

    def _commands(self, event: events.Event) -> CommandGenerator[None]:
        """What an event leads to. A hook that can be run at once is; the turn goes on when the event is done with.

        Not earlier: the protocol code is not made to be entered again in the middle of an event.
        """
        todo = deque([event])
        while todo:
            for command in self._on_event(todo.popleft()):
                if not isinstance(command, commands.StartHook) or not self._engine.run_hook(
                    command
                ):
                    yield command
                elif command.blocking:
                    todo.append(events.HookCompleted(command))

    def _on_event(self, event: events.Event) -> CommandGenerator[None]:
        if type(event) is events.DataReceived and event.connection in self.connections:
            yield from self.event_to_child(self.connections[event.connection], event)
        elif isinstance(event, InjectedEvent):
            yield from self._on_injected(event)
        elif isinstance(event, events.Wakeup) and event.command not in self.command_sources:
            return
        elif isinstance(event, events.Wakeup) and isinstance(event.command, ConnectDeadline):
            yield from self._on_connect_deadline(event.command)
        elif isinstance(event, events.ConnectionEvent) and self._is_forgotten(event.connection):
            yield from self._on_late_event(event)
        else:
            yield from super()._handle_event(event)
            if isinstance(event, events.ConnectionClosed):
                self._forget(event.connection)

    def _on_injected(self, event: InjectedEvent) -> CommandGenerator[None]:
        stream = self.streams.get(event.message.stream_id)
        if not isinstance(stream, TurnStream) or stream.flow is not event.flow:
            return
        yield from self.event_to_child(stream, event)
        if event.message.signal is Signal.FAULT:
            yield from self._stop_connecting(stream)

    def forget_wakeup(self, wakeup: commands.RequestWakeup | None) -> None:
        """Let go of the stream that asked: mitmproxy would keep it, bodies and all, until the time is up."""
        if wakeup:
            self.command_sources.pop(wakeup, None)
            if self._alarms:
                self._alarms.cancel(wakeup)

    def _end_turns(self, fault: Fault) -> CommandGenerator[None]:
        begun = [
            s for s in self.streams.values() if isinstance(s, TurnStream) and hasattr(s, "flow")
        ]
        turns = {id(turn): turn for turn in begun}
        answered = bool(turns)
        for turn in turns.values():
            if turn.upstream.connection:
                turn.upstream.ended()
                yield from self.close(turn.upstream.connection)
            answered = answered and not turn.ended
            try:
                turn.condemn(fault)
                message = Injected(turn.stream_id, Signal.FAULT, fault=fault)
                yield from self._on_injected(InjectedEvent(turn.flow, message))
            except Exception as error:  # noqa: BLE001  the answer failed as well: only the end is left
                self._engine.internal_fault(error)
                turn.leave()
                answered = False
        if not answered:
            yield commands.CloseConnection(self.context.client)

    # Streams ----------------------------------------------------------------------------------------------

    def make_stream(self, stream_id: int) -> CommandGenerator[None]:
        """Make a turn of it."""
        stream = TurnStream(self.context.fork(), stream_id, self._engine, self)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def register_wire_id(self, stream: HttpStream) -> int:
        """Give an attempt an id of its own. Even: clients only use odd ones."""
        self._last_wire_id += 2
        self.streams[self._last_wire_id] = stream
        return self._last_wire_id

    def mark_used(self, connection: Connection) -> bool:
        """Note that an upstream connection serves a turn; tell whether it had served one before."""
        used = connection in self._used
        self._used.add(connection)
        return used

    def event_to_child(
        self, child: layer.Layer | HttpStream, event: events.Event
    ) -> CommandGenerator[None]:
        """Take the client's credentials off its request on the way to the stream, before the flow exists."""
        if isinstance(child, TurnStream):
            if isinstance(event, RequestHeaders):
                child.client_authority = event.request.host_header or ""
                if not event.replay_flow:
                    child.credentials = take_credentials(event.request)
            elif isinstance(event, RequestProtocolError):
                return self._client_failed(child, event)
        # no generator of our own around it: this is called three times for each read
        return super().event_to_child(child, event)

    def _client_failed(self, turn: TurnStream, event: events.Event) -> CommandGenerator[None]:
        yield from super().event_to_child(turn, event)
        yield from self._stop_connecting(turn)

    # Connections ------------------------------------------------------------------------------------------

    def _on_connect_deadline(self, deadline: ConnectDeadline) -> CommandGenerator[None]:
        stream = self.command_sources.pop(deadline)
        if isinstance(stream, TurnStream):
            stream.connect_timed_out = True
            yield from self._stop_connecting(stream)

    def _stop_connecting(self, stream: TurnStream) -> CommandGenerator[None]:
        """End the wait of a paused stream at once; close the connection if nobody else waits for it."""
        for connection, waiting in list(self.waiting_for_establishment.items()):
            for command in [w for w in waiting if w is stream.waits_for]:
                waiting[:] = [other for other in waiting if other is not command]
                if not waiting:
                    del self.waiting_for_establishment[connection]
                    yield from self.close(connection)
                del self.command_sources[command]
                given_up = GetHttpConnectionCompleted(command, (None, "given up"))
                yield from super().event_to_child(stream, given_up)

    def get_connection(
        self, event: GetHttpConnection, *, reuse: bool = True
    ) -> CommandGenerator[None]:
        """Connect in HTTP/1.1 also for a client of HTTP/2, whose offers mitmproxy would pass on to the upstream."""
        if reuse and self.context.client.alpn != b"h2" and not self.is_connected(event):
            self._adopt(event)
        known = set(self.connections)
        for command in super().get_connection(event, reuse=reuse):
            for connection in self.connections.keys() - known:
                if isinstance(connection, Server) and self.context.client.alpn_offers:
                    connection.alpn_offers = (b"http/1.1",)
            yield command

    def _adopt(self, wanted: GetHttpConnection) -> None:
        """Go on with an idle connection that an earlier client has left, if there is one."""
        if (spare := self._engine.take_spare(self.context.client, wanted)) is None:
            return
        top, context = spare.layers[0], spare.layers[0].context
        context.client = self.context.client
        context.layers[:] = [*self.context.layers, *spare.layers]
        self.connections[spare.server] = top
        self.mark_used(spare.server)
        protocol = cast("UpstreamHttp1", spare.layers[-1])
        protocol.begin(self._engine.limits.head_bytes, self._relayed)

    def part_with_idle(self) -> list[tuple[Server, list[layer.Layer]]]:
        """Take the connections out of the books that another client can go on with, and give each with its layers."""
        tops = list(self.connections.values())
        found = [
            (connection, top.context.layers[len(self.context.layers) :])
            for connection, top in self.connections.items()
            # what a proxy stands before is in the books twice: the way to the proxy, and beyond it
            if isinstance(connection, Server) and connection.connected and tops.count(top) == 1
        ]
        idle = [(server, layers) for server, layers in found if self._is_done_with(layers)]
        for server, layers in idle:
            self._forget(server)
            layers[0].context.layers[:] = layers
            cast("UpstreamHttp1", layers[-1]).rest()
        return idle

    def _is_done_with(self, layers: list[layer.Layer]) -> bool:
        """Whether nobody here waits for anything of a connection: what was given up is closed."""
        protocol = layers[-1] if layers else None
        return isinstance(protocol, UpstreamHttp1) and (
            protocol.is_idle or (protocol.is_answering and protocol.stream_id not in self.streams)
        )

    def register_connection(self, command: RegisterHttpConnection) -> CommandGenerator[None]:
        """Forget a connection that failed: mitmproxy would repeat its error for ever. A good one reads our way."""
        if command.connection not in self.waiting_for_establishment:
            return
        if command.err:
            self._forget(command.connection)
        else:
            self._read_our_way(self.connections[command.connection].context.layers)
        yield from super().register_connection(command)

    def _read_our_way(self, layers: list[layer.Layer]) -> None:
        around, protocol = layers[-2:]
        if type(protocol) is Http1Client:
            protocol.__class__ = UpstreamHttp1
            cast("UpstreamHttp1", protocol).begin(self._engine.limits.head_bytes, self._relayed)
            # bound while the class was still mitmproxy's
            around.__dict__["_handle_event"] = protocol.handle_event

    def is_connected(self, wanted: GetHttpConnection) -> bool:
        """Whether a connection is at hand that needs no time to be made."""
        return any(
            connection.connected and wanted.connection_spec_matches(connection)
            for connection in self.connections
            if connection is not self.context.client
            and connection not in self.waiting_for_establishment
        )

    def _relayed(self, wire_id: int, data: bytes) -> Iterable[commands.Command]:
        """What a part of an upstream's answer leads to.

        Most are deltas of a stream: they become the client's bytes right here, past the events in between.
        """
        stream = self.streams.get(wire_id)
        client = self.connections[self.context.client]
        if isinstance(stream, TurnStream) and type(client) is ListenerHttp1 and client.chunks:
            written = stream.relayed_at_once(wire_id, data)
            if written is not None:
                sent = (client.chunk(written),) if written else ()
                # an empty part is a look at the stream: something has to be done
                return (*sent, receive(wire_id, b"")) if stream.has_more_to_do else sent
        return (receive(wire_id, data),)

    def close(self, connection: Connection) -> CommandGenerator[None]:
        """Close an upstream connection, with what carries it when a proxy stands between. Nobody hears its rest."""
        for part in self._forget(connection):
            yield commands.CloseConnection(part)

    def _forget(self, connection: Connection) -> list[Connection]:
        """Take an upstream connection, and what carries it, out of the books; give all of them."""
        if connection is self.context.client or connection not in self.connections:
            return []
        stack = self.connections[connection]
        parts = [part for part, layers in self.connections.items() if layers is stack]
        for part in parts:
            del self.connections[part]
            self._used.discard(part)
        return parts

    def _is_forgotten(self, connection: Connection) -> bool:
        return connection not in self.connections and connection is not self.context.server

    def _on_late_event(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """The end of a forgotten connection: it only has to be closed on our side, too."""
        if event.connection.state is not ConnectionState.CLOSED:
            yield commands.CloseConnection(event.connection)


def take_credentials(request: http.Request) -> dict[bytes, Secret]:
    """Take the credential headers off a request; a label stays. `authorization ` is a spelling of one, too."""
    taken: dict[bytes, Secret] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in request.headers.fields:
        plain = canonical(name)
        if plain in CLIENT_CREDENTIALS:
            taken[plain] = Secret(value)
            fields.append((name, LABEL))
        else:
            fields.append((name, value))
    request.headers.fields = tuple(fields)
    return taken


def _without_quotes(command: commands.Command) -> commands.Command:
    """The protocol code's log lines may quote a raw head, bearer and all."""
    if isinstance(command, commands.Log) and not isinstance(command, SafeLog):
        return SafeLog("a protocol message was withheld: it may quote raw bytes", logging.DEBUG)
    return command
