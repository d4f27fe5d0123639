"""A WebSocket to an upstream, in the place of its HTTP/1 connection. A turn sees an HTTP answer: a head and SSE.

The connection opens with the HTTP/1 parser that it replaces. A 101 makes it a WebSocket, a 401 is shown to the turn as
it is, and anything else ends it before a byte of the turn was sent. Then each turn is one frame. A frame that refuses the
turn becomes a head with its status; otherwise the first frame makes a 200 of it, and each frame an event.

What a turn is told about an end decides whether it may be sent again: `NO_UPGRADE` and `SOCKET_OVER` say that nothing
was worked on, `NOTHING_RECEIVED` leaves that to the time that has passed, and nothing else may be sent again.

Never does: send a credential in a frame, keep one after the upgrade. Invariant: one turn at a time; a socket that had
an error, a turn that was cut, or a word out of turn serves no other turn.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, cast

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import HttpConnection, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.protocols.responses.websocket_upstream import (
    CONNECTION_LIMIT,
    PUSHED,
    UNKNOWN_PREVIOUS,
    AnswerFrames,
    Refusal,
    frame_for,
    type_of,
)
from addons.core.protocols.websocket import frames, handshake
from addons.core.protocols.websocket.deflate import Deflater, Inflater
from addons.core.protocols.websocket.frames import FrameReader, client_frame, close_payload
from addons.core.turn import UpstreamRequest
from addons.proxy.engine.upstream.notices import (
    BROKEN_FRAMES,
    NO_UPGRADE,
    NOTHING_RECEIVED,
    SOCKET_OVER,
    ConnectionIdle,
)

MAX_AGE_SECONDS = 55 * 60.0
"""The backend ends a WebSocket after an hour. An older one is replaced between two turns."""
MAX_EARLIER = 8
_STREAM_HEADERS = ((b"content-type", b"text/event-stream"),)
_SWITCHING, _UNAUTHORIZED = 101, 401
_UNREAD = frozenset(
    close_payload(code)
    for code in (frames.PROTOCOL_ERROR, frames.UNSUPPORTED, frames.INVALID_DATA, frames.TOO_LARGE)
)
"""Codes by which a server says that it could not read a frame. By HTTP it may read the same request."""

Relay = Callable[[int, bytes], Sequence[commands.Command]]
"""Attempt id and a part of the body → the commands that it leads to."""


@dataclass
class SocketTurn(RequestHeaders):
    """The begin of a turn on a WebSocket. Its request is that of the upgrade, with the credentials."""

    turn: UpstreamRequest | None = None


class HttpParser(Protocol):
    """The HTTP/1 parser of an upstream connection."""

    context: Context
    conn: Connection
    request: http.Request | None
    buf: ReceiveBuffer

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Write a part of a request."""

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Read."""


class _State(Enum):
    UPGRADING = auto()
    REFUSED = auto()
    """The answer to the upgrade is shown to the turn."""
    OPEN = auto()
    OVER = auto()


class UpstreamSocket(HttpConnection):
    """One WebSocket. `http1` is the parser of the connection, `relay` hands on what an answer brings."""

    def __init__(self, http1: HttpParser, limits: Limits, relay: Relay) -> None:
        super().__init__(http1.context, http1.conn)
        self._http1 = http1
        self._limits = limits
        self._relay = relay
        self._state = _State.UPGRADING
        self._deadline: commands.RequestWakeup | None = None
        self._key = b""
        self._turn: UpstreamRequest | None = None
        """The turn whose frame is still to be sent."""
        self._frames = FrameReader(limits.event_bytes)
        self._deflater: Deflater | None = None
        self._answer = AnswerFrames()
        self._last_response: str | None = None
        """The id of the last response, while the next turn may refer to it."""
        self._earlier: deque[str] = deque(maxlen=MAX_EARLIER)
        """The ids of the last responses: an event of one of them is late."""
        self._has_served = False
        self._has_begun = False
        """Whether the turn under way was shown a head."""
        self.stream_id: int | None = None
        """The attempt under way."""
        self.opened_at = self.idle_since = time.time()
        """Wall clock, as in the pool."""

    @property
    def is_idle(self) -> bool:
        """Whether another turn may be sent."""
        return self._state is _State.OPEN and self.stream_id is None

    @property
    def is_aged(self) -> bool:
        """Whether the upstream may end it during another turn."""
        return time.time() - self.opened_at >= MAX_AGE_SECONDS

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event. Not by mitmproxy's method: no command blocks this layer."""
        return self._handle_event(event)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, SocketTurn):
            return self._begin(event)
        if isinstance(event, events.DataReceived):
            return self._receive(event)
        if isinstance(event, events.ConnectionClosed):
            return self._closed(event)
        if isinstance(event, events.Wakeup) and event.command is self._deadline:
            return self._overdue()
        return cast("CommandGenerator[None]", iter(()))

    # The upgrade ------------------------------------------------------------------------------------------

    def _begin(self, event: SocketTurn) -> CommandGenerator[None]:
        self.stream_id, self._turn, self._has_begun = event.stream_id, event.turn, False
        if self._state is _State.OPEN:
            yield self._send_turn()
            return
        self._key = handshake.key_of(os.urandom(handshake.KEY_BYTES))
        fields = event.request.headers.fields
        event.request.headers = http.Headers((*fields, *handshake.upgrade_fields(self._key)))
        self._deadline = commands.RequestWakeup(self._limits.connect_seconds)
        yield self._deadline
        yield from self._http1.send(RequestHeaders(event.stream_id, event.request, end_stream=True))
        yield from self._http1.send(RequestEndOfMessage(event.stream_id))

    def _upgrade_event(self, event: events.Event) -> CommandGenerator[None]:
        """Let the HTTP/1 parser read the answer to the upgrade."""
        for command in self._http1.handle_event(event):
            received = command.event if isinstance(command, ReceiveHttp) else None
            if isinstance(received, ResponseHeaders):
                status = received.response.status_code
                if status == _SWITCHING:
                    yield from self._switch(received.response.headers.fields)
                    return
                if status != _UNAUTHORIZED:
                    yield from self._give_up()
                    return
                self._state, self._deadline = _State.REFUSED, None
            elif isinstance(received, ResponseProtocolError) and not self._is_refused:
                yield from self._give_up()
                return
            if isinstance(command, ConnectionIdle):
                command = commands.CloseConnection(self.conn)  # noqa: PLW2901
            yield command

    @property
    def _is_refused(self) -> bool:
        return self._state is _State.REFUSED

    def _switch(self, headers: Headers) -> CommandGenerator[None]:
        self._deadline = None
        try:
            agreement = handshake.accepted(headers, self._key)
        except handshake.HandshakeError:
            yield from self._give_up()
            return
        inflater = Inflater(agreement) if agreement else None
        self._deflater = Deflater(agreement) if agreement else None
        self._frames = FrameReader(self._limits.event_bytes, inflater)
        self._state, self.opened_at = _State.OPEN, time.time()
        rest = bytes(self._http1.buf)
        # it holds the request with its credentials
        self._http1.request = None
        yield self._send_turn()
        if rest:
            yield from self._read(rest)

    def _overdue(self) -> CommandGenerator[None]:
        if self._state is _State.UPGRADING:
            yield from self._give_up()

    def _give_up(self) -> CommandGenerator[None]:
        """End a connection that becomes no WebSocket."""
        self._http1.request = None
        yield commands.CloseConnection(self.conn)
        yield from self._fail(NO_UPGRADE)

    # Turns ------------------------------------------------------------------------------------------------

    def _send_turn(self) -> commands.SendData:
        assert self._turn is not None  # noqa: S101  set when it began
        self._answer = AnswerFrames(self._earlier)
        text, self._turn = frame_for(self._turn, self._last_response), None
        deflated = self._deflater.message(text) if self._deflater else None
        return self._frame(
            frames.TEXT, text if deflated is None else deflated, deflated is not None
        )

    def _frame(self, opcode: int, payload: bytes, is_deflated: bool = False) -> commands.SendData:  # noqa: FBT001, FBT002  a fact about the payload
        data = client_frame(opcode, payload, os.urandom(4), is_deflated=is_deflated)
        return commands.SendData(self.conn, data)

    def _receive(self, event: events.DataReceived) -> CommandGenerator[None]:
        if self._state in (_State.UPGRADING, _State.REFUSED):
            return self._upgrade_event(event)
        return self._read(event.data)

    def _read(self, data: bytes) -> CommandGenerator[None]:
        """Handle one read. The events that it brought go on as one part."""
        parts: list[bytes] = []
        for message in self._frames.feed(data):
            if self._state is not _State.OPEN:
                return
            if message.opcode == frames.TEXT and self.stream_id is not None:
                part = self._answer.feed(message.data)
                if part and not self._has_begun:
                    yield from self._head(200, _STREAM_HEADERS)
                parts.append(part)
                if self._answer.is_over or self._answer.is_broken:
                    yield from self._hand_on(parts)
                    yield from self._answered()
            else:
                yield from self._hand_on(parts)
                yield from self._on_rare_message(message)
        yield from self._hand_on(parts)
        if self._frames.broken and self._state is _State.OPEN:
            yield from self._break_off(self._frames.broken.code)

    def _on_rare_message(self, message: frames.Message) -> CommandGenerator[None]:
        if message.opcode == frames.PING:
            yield self._frame(frames.PONG, message.data)
        elif message.opcode == frames.CLOSE:
            code = message.data[: frames.CODE_BYTES]
            # a server that has answered anything, even with limits alone, may have read the frame
            is_unread = code in _UNREAD and self._answer.is_untouched
            text = NO_UPGRADE if is_unread else NOTHING_RECEIVED
            yield from self._close(code, text)
        elif message.opcode == frames.BINARY:
            yield from self._break_off(frames.UNSUPPORTED)
        elif message.opcode == frames.TEXT and not type_of(message.data).startswith(PUSHED):
            # a word out of turn: what follows could reach the next one
            yield from self._break_off(frames.NORMAL)

    def _hand_on(self, parts: list[bytes]) -> Iterable[commands.Command]:
        data = b"".join(parts)
        parts.clear()
        return self._relay(self.stream_id, data) if data and self.stream_id is not None else ()

    def _head(self, status: int, headers: Headers) -> CommandGenerator[None]:
        self._has_begun = True
        assert self.stream_id is not None  # noqa: S101  a turn is under way
        response = http.Response(
            b"HTTP/1.1", status, b"", http.Headers(headers), None, None, time.time(), None
        )
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response))

    def _answered(self) -> CommandGenerator[None]:
        """End the turn whose last frame was read."""
        answer = self._answer
        if answer.is_broken:
            yield from self._break_off(frames.INVALID_DATA)
        elif answer.refusal:
            yield from self._refused(answer.refusal)
        else:
            self._last_response = answer.response_id or self._last_response
            self._earlier.extend(filter(None, (answer.own_id,)))
            self._has_served = True
            yield from self._complete()
            if self.is_idle:
                yield ConnectionIdle(self.conn)

    def _refused(self, refusal: Refusal) -> CommandGenerator[None]:
        """Show the turn a refusal. Nothing was worked on; as Codex does, no other turn is sent on this connection."""
        unasked = refusal.code in (CONNECTION_LIMIT, UNKNOWN_PREVIOUS)
        if unasked and (self._has_served or refusal.code == CONNECTION_LIMIT):
            text = SOCKET_OVER if self._has_served else NO_UPGRADE
            yield from self._close(close_payload(frames.NORMAL), text)
            return
        yield from self._head(refusal.status, refusal.headers)
        yield from self._hand_on([refusal.body])
        yield from self._complete()
        yield from self._break_off(frames.NORMAL)

    def _complete(self) -> CommandGenerator[None]:
        stream_id, self.stream_id = self.stream_id, None
        self.idle_since = time.time()
        if stream_id is not None:
            yield ReceiveHttp(ResponseEndOfMessage(stream_id))

    # Ends -------------------------------------------------------------------------------------------------

    def _closed(self, event: events.ConnectionClosed) -> CommandGenerator[None]:
        if self._state is _State.REFUSED:
            yield from self._upgrade_event(event)
            return
        if event.connection.state is not ConnectionState.CLOSED:
            yield commands.CloseConnection(event.connection)
        yield from self._fail(NO_UPGRADE if self._state is _State.UPGRADING else NOTHING_RECEIVED)

    def _break_off(self, code: int) -> CommandGenerator[None]:
        """End a WebSocket whose server broke a rule."""
        yield from self._close(close_payload(code), BROKEN_FRAMES)

    def _close(self, payload: bytes, text: str) -> CommandGenerator[None]:
        yield self._frame(frames.CLOSE, payload)
        yield commands.CloseConnection(self.conn)
        yield from self._fail(text)

    def _fail(self, text: str) -> CommandGenerator[None]:
        """Tell the turn under way that nothing more comes."""
        self._state, self._turn, self._deadline = _State.OVER, None, None
        stream_id, self.stream_id = self.stream_id, None
        if stream_id is not None:
            yield ReceiveHttp(
                ResponseProtocolError(stream_id, text, ErrorCode.GENERIC_SERVER_ERROR)
            )


def install_socket(layers: list[layer.Layer], limits: Limits, relay: Relay) -> None:
    """Put a WebSocket in the place of the HTTP/1 parser of a new upstream connection."""
    around, parser = layers[-2:]
    # it adds itself to the layers of its context
    socket = UpstreamSocket(cast("HttpParser", parser), limits, relay)
    layers.remove(parser)
    around.__dict__.update(_handle_event=socket.handle_event, handle_event=socket.handle_event)
