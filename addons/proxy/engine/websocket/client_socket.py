"""The WebSocket of one client: each text frame is a request of the HTTP layer, each event of its answer a frame.

It takes the place of `ListenerHttp1` once that has written a 101. A frame becomes a `POST` with the next stream id, so
its turn is an ordinary `TurnStream` with a flow of its own: it is held, edited, killed and recorded like any other.

Codex sends one turn at a time, so one is live and a few more may wait. While a turn is live, silence is broken by a
heartbeat, which does not come from its stream: a stream that is held in mitmweb is paused, and Codex counts from the
sending of its frame on.

Never does: read a credential, decide what a turn does. Invariant: a stream that began here gets its end, or is told that
the client has left; nothing is read or written behind a close frame.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol, cast

import orjson
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import HttpConnection, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

from addons.core.errors import Problem
from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.masking.credentials import take_credentials
from addons.core.protocols.responses.websocket.affinity import Affinity
from addons.core.protocols.responses.websocket.answer import (
    HEARTBEAT,
    EventFrames,
    error_frame,
    is_stream,
    problem_frame,
)
from addons.core.protocols.responses.websocket.history import Histories, History, not_found
from addons.core.protocols.responses.websocket.rate_limits import rate_limits_event
from addons.core.protocols.responses.websocket.request import (
    Frame,
    FrameRequest,
    inherited_headers,
    read_frame,
    too_deep,
    turn_headers,
)
from addons.core.secrets import Secret
from addons.proxy.engine.mitmproxy_patches.messages import headers_of, request_of
from addons.proxy.engine.websocket.framing import (
    CloseCode,
    Ended,
    FrameReader,
    Pinged,
    Received,
    Text,
    close_frame,
    pong_frame,
    text_frames,
)

MAX_WAITING = 4
"""Frames that may wait for the end of the turn before them."""


class SwitchProtocols(commands.Command):
    """The HTTP/1 connection of a client has answered 101. `ahead` is what the client sent behind its request."""

    def __init__(self, stream_id: int, request: http.Request, ahead: bytes) -> None:
        self.stream_id = stream_id
        self.request = request
        self.ahead = ahead


class Beginning(NamedTuple):
    """What a turn of a frame has beside its flow."""

    authority: str
    credentials: Mapping[bytes, Secret]
    frame: Frame


class HasCredentials(Protocol):
    """The request that opened a connection."""

    client_authority: str
    """The Host that the client sent."""
    credentials: Mapping[bytes, Secret]


class SocketHost(Protocol):
    """The engine, as a connection sees it."""

    limits: Limits
    histories: Histories

    @property
    def now(self) -> Callable[[], float]:
        """The monotonic clock of all timers."""


@dataclass(slots=True)
class _Turn:
    """The turn that is live."""

    stream_id: int
    frame: Frame
    credentials: Mapping[bytes, Secret]
    head: http.Response | None = None
    events: EventFrames | None = None
    """Set while an event stream is written."""
    body: bytes = b""
    """What was received of any other answer."""


class ClientSocket(HttpConnection):
    """One client connection behind its 101."""

    _frames: EventFrames
    """Those of the event stream that is written, while parts may come by `chunk`."""

    def __init__(
        self, context: Context, switch: SwitchProtocols, upgrade: HasCredentials, engine: SocketHost
    ) -> None:
        super().__init__(context, context.client)
        self._upgrade = switch.request
        self._inherited = inherited_headers(tuple(switch.request.headers.fields))
        """The headers of each turn, in which a label stands in place of each credential."""
        self._authority = upgrade.client_authority
        self._credentials = upgrade.credentials
        self._limits = limits = engine.limits
        self._now = engine.now
        self._reader = FrameReader(limits.body_bytes)
        self._history = History(limits.body_bytes, engine.histories)
        self._affinity = Affinity(tuple(switch.request.headers.fields))
        self._last_id = switch.stream_id
        self._turn: _Turn | None = None
        self.chunks = False
        """Whether parts of an event stream may come by `chunk`, without an event each."""
        self._waiting: deque[bytes] = deque()
        self._wakeup: commands.RequestWakeup | None = None
        self._last_sent = self._message_began = 0.0

    # Events -----------------------------------------------------------------------------------------------

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        return cast("CommandGenerator[None]", iter(self._commands(event)))

    handle_event = _handle_event
    """Handle an event. Not by mitmproxy's method: no command blocks this layer."""

    def _commands(self, event: events.Event) -> Iterable[commands.Command]:
        if isinstance(event, HttpEvent):
            turn = self._turn
            return self._send(turn, event) if turn and event.stream_id == turn.stream_id else ()
        if isinstance(event, events.DataReceived):
            text = None if self._turn else self._reader.whole_text(event.data)
            return self._begin(text) if text else self._read(event.data)
        if isinstance(event, events.ConnectionClosed):
            return self._lost()
        is_own = isinstance(event, events.Wakeup) and event.command is self._wakeup
        return self._on_wakeup() if is_own else ()

    def _read(self, data: bytes) -> CommandGenerator[None]:
        if self._reader.is_ended:
            return
        was_inside = self._reader.is_inside
        for received in self._reader.feed(data):
            # what is inside now is another message
            was_inside = was_inside and not isinstance(received, Text)
            yield from self._on_received(received)
        if self._reader.is_inside and not was_inside:
            self._message_began = self._now()
            yield from self._wake_after(self._limits.body_seconds)

    def _on_received(self, received: Received) -> CommandGenerator[None]:
        match received:
            case Text() if self._turn is None:
                yield from self._begin(received.data)
            case Text():
                yield from self._wait(received.data)
            case Pinged():
                yield commands.SendData(self.conn, pong_frame(received.payload))
            case Ended():
                yield from self._close(received.code, received.reason)

    def _wait(self, text: bytes) -> CommandGenerator[None]:
        """Keep a frame for the end of the turn under way. Codex sends none."""
        self._waiting.append(text)
        size = sum(map(len, self._waiting))
        if len(self._waiting) > MAX_WAITING or size > self._limits.body_bytes:
            yield from self._close(CloseCode.POLICY, "too many frames were sent during a turn")

    def _lost(self) -> CommandGenerator[None]:
        if self.conn.state is not ConnectionState.CLOSED:
            yield commands.CloseConnection(self.conn)
        yield from self._abandon()

    def _close(self, code: int, reason: str = "") -> CommandGenerator[None]:
        """End the connection from here."""
        self._reader.end()
        yield commands.SendData(self.conn, close_frame(code, reason))
        yield commands.CloseConnection(self.conn)
        yield from self._abandon()

    def _abandon(self) -> CommandGenerator[None]:
        """Tell the stream of the live turn that its client has left. Nothing else is kept: cycles end a layer late."""
        self._reader.end()
        self._history.forget()
        self._waiting.clear()
        if turn := self._turn:
            self._forget_turn()
            gone = "Client disconnected."
            yield ReceiveHttp(
                RequestProtocolError(turn.stream_id, gone, ErrorCode.CLIENT_DISCONNECTED)
            )

    # Requests ---------------------------------------------------------------------------------------------

    def _begin(self, text: bytes) -> Iterable[commands.Command]:
        """Begin the turn of a frame, or answer a frame that becomes none."""
        asked = self._asked(text)
        if isinstance(asked, Problem):
            return (self._write([problem_frame(asked)]),)
        found, body = asked
        self._affinity.begin(found.turn_id)
        own, credentials = self._affinity.joined(found.headers), self._credentials
        if own:
            taken = take_credentials(own, "/")
            own, credentials = taken.headers, {**credentials, **taken.credentials}
        self._last_id += 2
        turn = self._turn = _Turn(self._last_id, Frame(text, body), credentials)
        self._last_sent = self._now()
        return (
            *self._wake_after(self._limits.heartbeat_seconds),
            ReceiveHttp(RequestHeaders(turn.stream_id, self._request(own, body), False)),  # noqa: FBT003
            # the stream has the body: it is a part of the frame
            ReceiveHttp(RequestEndOfMessage(turn.stream_id)),
        )

    def _asked(self, text: bytes) -> tuple[FrameRequest, bytes] | Problem:
        """Return what a frame asks for, and the body by HTTP with the whole history."""
        found = read_frame(text)
        if isinstance(found, Problem):
            return found
        try:
            if not self._history.begin(found.payload, found.previous):
                if not found.may_be_stored:
                    return not_found(found.previous or "")
                # the route knows whether a response is stored, as by HTTP
                found.payload["previous_response_id"] = found.previous
            return found, orjson.dumps(found.payload)
        except orjson.JSONEncodeError:
            # orjson reads deeper nesting than it writes
            return too_deep()

    def _request(self, own: Headers, body: bytes) -> http.Request:
        upgrade = self._upgrade.data
        data = http.RequestData(
            host=upgrade.host,
            port=upgrade.port,
            method=b"POST",
            scheme=upgrade.scheme,
            authority=b"",
            path=upgrade.path,
            http_version=b"HTTP/1.1",
            headers=headers_of(turn_headers(self._inherited, own, len(body))),
            content=None,
            trailers=None,
            timestamp_start=time.time(),
            timestamp_end=None,
        )
        return request_of(data)

    @property
    def beginning(self) -> Beginning:
        """What the flow of the turn that begins now does not hold."""
        assert self._turn  # noqa: S101  its head has just been received
        return Beginning(self._authority, self._turn.credentials, self._turn.frame)

    # Answers ----------------------------------------------------------------------------------------------

    def _send(self, turn: _Turn, event: HttpEvent) -> Iterable[commands.Command]:
        match event:
            case ResponseData() if turn.events:
                return self._send_events(turn.events, turn.events.feed(event.data))
            case ResponseData():
                turn.body += event.data[: self._limits.error_body_bytes - len(turn.body)]
            case ResponseHeaders():
                return self._send_head(turn, event.response)
            case ResponseEndOfMessage():
                return self._end(turn)
            case ResponseProtocolError():
                # Codex must not take a cut for an end
                self._forget_turn()
                return self._close(CloseCode.INTERNAL, "the answer broke off")
        return ()

    def _send_head(self, turn: _Turn, response: http.Response) -> Iterable[commands.Command]:
        turn.head = response
        fields = tuple(response.headers.fields)
        self._affinity.note(fields)
        if not is_stream(response.status_code, fields):
            return ()
        turn.events = self._frames = EventFrames(self._limits.body_bytes)
        self.chunks = True
        event = rate_limits_event(fields)
        return (self._write([event]),) if event else ()

    def _send_events(
        self, events_: EventFrames, texts: Sequence[bytes]
    ) -> Iterable[commands.Command]:
        sent = (self._write(texts, events_.names),) if texts else ()
        if not events_.too_large:
            return sent
        too_large = self._close(CloseCode.TOO_LARGE, "an event exceeds the limit `body_bytes`")
        return chain(sent, too_large)

    def chunk(self, data: bytes) -> commands.SendData:
        """Return the frames for a part of the event stream under way. It may be empty."""
        frames = self._frames
        texts = frames.feed(data)
        if frames.too_large:
            self.chunks = False
        return self._write(texts, frames.names)

    def _end(self, turn: _Turn) -> CommandGenerator[None]:
        if turn.events:
            yield from self._send_events(turn.events, turn.events.finish())
        elif turn.head:
            fields = tuple(turn.head.headers.fields)
            yield self._write([error_frame(turn.head.status_code, fields, turn.body)])
        self._forget_turn()
        while self._waiting and self._turn is None:
            yield from self._begin(self._waiting.popleft())

    def _forget_turn(self) -> None:
        self._turn, self.chunks = None, False

    def _write(self, texts: Sequence[bytes], names: Sequence[bytes] = ()) -> commands.SendData:
        self._last_sent = self._now()
        self._history.note(texts, names)
        return commands.SendData(self.conn, text_frames(texts))

    # Time -------------------------------------------------------------------------------------------------

    def _wake_after(self, seconds: float) -> Iterable[commands.Command]:
        """Ask for a wake-up, unless one is on its way: one at a time is enough for all turns."""
        if self._wakeup:
            return ()
        self._wakeup = commands.RequestWakeup(min(seconds, self._limits.heartbeat_seconds))
        return (self._wakeup,)

    def _on_wakeup(self) -> CommandGenerator[None]:
        self._wakeup, now = None, self._now()
        if self._reader.is_ended:
            return
        if self._reader.is_inside and now - self._message_began >= self._limits.body_seconds:
            yield from self._close(CloseCode.POLICY, "a frame did not come within `body_seconds`")
            return
        silent, limit = now - self._last_sent, self._limits.heartbeat_seconds
        if self._turn and silent >= limit:
            yield self._write([HEARTBEAT])
            silent = 0.0
        if self._turn or self._reader.is_inside:
            yield from self._wake_after(limit - silent if self._turn else limit)
