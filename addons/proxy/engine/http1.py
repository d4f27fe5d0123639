"""Both HTTP/1 connections: mitmproxy's own, with joined body reads and JSON answers to malformed requests.

mitmproxy turns each HTTP/1 chunk into an event of its own, answers a bad head with an HTML page that echoes it, and
buffers an endless head. Here one network read gives one body event, the answer is JSON without any byte of the head,
and a head has limits of size and time.

Never does: accept framing that h11 or mitmproxy refuses. Invariant: a request has exactly one meaning under RFC 9112,
which is checked before mitmproxy and h11, who are lenient, read it; only plain chunks that are complete in one read are
cut here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from h11._receivebuffer import ReceiveBuffer
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client

from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.core.server.admission import is_valid_head
from addons.proxy.engine.local_answer import http_response
from addons.proxy.engine.mitmproxy_patches.http1_connections import (
    KeptClient,
    KeptServer,
    Relayed,
    WholeRequest,
)
from addons.proxy.engine.mitmproxy_patches.messages import (
    BLANK_LINES,
    HEAD_END,
    MAX_AHEAD,
    STRICT_END,
    ends_with_last_request,
    is_last_request,
    read_request,
    read_response,
    request_size,
)
from addons.proxy.engine.mitmproxy_patches.plain_chunks import take_buffered, take_chunks
from addons.proxy.engine.mitmproxy_patches.strict_chunks import StrictChunkedReader
from addons.proxy.engine.upstream import notices
from addons.proxy.engine.websocket.client_socket import SwitchProtocols

BAD_HEAD = Problem(
    400,
    "bad_request",
    "codex-shim could not read this request: its head or its chunks are not valid HTTP/1. "
    "Check the program that sent it; nothing was sent on.",
)
LARGE_HEAD = Problem(
    431,
    "request_head_too_large",
    "codex-shim refuses this request: its head is larger than the `head_bytes` limit. "
    "Nothing was sent on.",
)
SLOW_HEAD = Problem(
    408,
    "request_timeout",
    "codex-shim refuses this request: its head was begun and not finished within `head_seconds`. "
    "Check the program that sent it; nothing was sent on.",
)
_BLANK_LINE = b"\r\n\r\n"
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9]\b")
"""The start of a head that another one follows (RFC 9110, 15.2). After a 101 no HTTP would follow."""
_IDLE_TIMEOUT = re.compile(rb"HTTP/1\.[01] 408\b")
"""What a server may send on an idle connection before it closes it (RFC 9110, 15.5.9)."""


Relay = Callable[[int, bytes], Sequence[commands.Command]]
"""Attempt id and a part of the body → the commands that it leads to."""


def _in_turn(
    first: Iterable[commands.Command], then: Callable[[], CommandGenerator[None]]
) -> CommandGenerator[None]:
    yield from first
    yield from then()


def _raising(error: Exception) -> CommandGenerator[None]:
    yield from ()
    raise error


def _discard(_stream_id: int, _data: bytes) -> Sequence[commands.Command]:
    return ()


def receive(stream_id: int, data: bytes) -> ReceiveHttp:
    """Return the command that hands a part of a response to its stream."""
    return ReceiveHttp(ResponseData(stream_id, data))


class ListenerHttp1(KeptServer):
    """The HTTP/1 side that clients connect to."""

    def __init__(self, context: Context, limits: Limits, streams: Mapping[int, HttpStream]) -> None:
        super().__init__(context, streams)
        self._limits = limits
        self._deadline: commands.RequestWakeup | None = None
        """Set while a head is under way: idle connections may stay."""
        self._ahead = 0
        """Blank lines that came while a turn was under way: the ends of heads, and seldom parts of bodies."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            return self._on_deadline(event)
        return super()._handle_event(event)

    def _on_deadline(self, event: events.Wakeup) -> CommandGenerator[None]:
        if event.command is self._deadline:
            yield from self._refuse(SLOW_HEAD)

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Refuse a bad, endless or slow head in JSON, without a flow and without an echo."""
        if not self.buf:
            # the end of a connection between two requests
            yield from super().read_headers(event)
            return
        self._skip_blank_lines()
        # not all of it: of many requests that were sent ahead each would be copied as often
        data = bytes(self.buf._data[: self._limits.head_bytes + 1])  # noqa: SLF001
        end = HEAD_END.search(data, 0, self._limits.head_bytes)
        if end is None and len(data) > self._limits.head_bytes:
            yield from self._refuse(LARGE_HEAD)
            return
        is_valid = end is None or (end[0] == STRICT_END and is_valid_head(data[: end.start() + 1]))
        if not is_valid or data.startswith(b"\n"):
            yield from self._refuse(BAD_HEAD)
            return
        if end and isinstance(event, events.DataReceived):
            self.buf.maybe_extract_at_most(end.end())
            yield from self._begin_request(data[: end.start() + 1], event)
            return
        yield from super().read_headers(event)
        if self.buf and not self._deadline:
            self._deadline = commands.RequestWakeup(self._limits.head_seconds)
            yield self._deadline

    def _begin_request(self, head: bytes, event: events.DataReceived) -> CommandGenerator[None]:
        try:
            request = read_request(head)
            size = request_size(request)
        except ValueError:
            yield from self._refuse(BAD_HEAD)
            return
        self.request, self._deadline = request, None
        if size is None or len(self.buf) < size:
            yield ReceiveHttp(RequestHeaders(self.stream_id, request, end_stream=False))
            yield from self.begin_body(size, event)
            return
        body = bytes(self.buf.maybe_extract_at_most(size) or b"")
        yield ReceiveHttp(WholeRequest(self.stream_id, request, end_stream=not size, body=body))
        yield from self.mark_done(request=True)

    def chunked_reader(self) -> StrictChunkedReader:
        """Return a reader of chunks by the strict grammar."""
        return StrictChunkedReader(self._limits.head_bytes)

    def _skip_blank_lines(self) -> None:
        """Drop blank lines before a request (RFC 9112, 2.2). mitmproxy would wait for more after each."""
        if blank := BLANK_LINES.match(self.buf._data):  # noqa: SLF001
            self.buf.maybe_extract_at_most(blank.end())

    def wait(self, event: events.Event) -> CommandGenerator[None]:
        """Close the connection of a client that sends more than one request ahead.

        A client that sent its last request may close its side of the connection and wait for the answers.
        """
        if self.conn.state is ConnectionState.CAN_WRITE and self._has_last_request():
            return
        if isinstance(event, events.DataReceived):
            self._ahead = event.data.count(_BLANK_LINE) + (self._ahead if self.buf else 0)
        yield from super().wait(event)
        is_large = len(self.buf) > self._limits.head_bytes + self._limits.body_bytes
        if is_large or self._ahead > MAX_AHEAD:
            self.buf = ReceiveBuffer()
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                RequestProtocolError(
                    self.stream_id, "too much was sent ahead", ErrorCode.CLIENT_DISCONNECTED
                )
            )

    def make_pipe(self) -> CommandGenerator[None]:
        """Give this place to the WebSocket of the client: the answer was a 101."""
        assert self.request is not None  # noqa: S101  what was answered
        ahead = bytes(self.buf.maybe_extract_at_most(len(self.buf)) or b"")
        self.state = self.done
        yield SwitchProtocols(self.stream_id, self.request, ahead)

    def _has_last_request(self) -> bool:
        """Return whether the request under way, or one that was sent ahead, is the client's last one, and whole."""
        is_last = self.request is not None and is_last_request(self.request)
        return is_last or ends_with_last_request(bytes(self.buf))

    def _before_broken_end(self) -> CommandGenerator[None]:
        if not self.response and self.conn.state & ConnectionState.CAN_WRITE:
            yield _whole(self.conn, BAD_HEAD)

    def _refuse(self, problem: Problem) -> CommandGenerator[None]:
        self._deadline = None
        yield _whole(self.conn, problem)
        yield commands.CloseConnection(self.conn)
        self.state = self.done


def _whole(client: Connection, problem: Problem) -> commands.SendData:
    response = http_response(problem.reply(), close=True)
    return commands.SendData(client, http1.assemble_response(response))


class UpstreamHttp1(KeptClient):
    """The HTTP/1 side of an upstream connection, from the moment the connection is established."""

    _head_bytes: int
    _relay: Relay
    _acknowledged = False
    """Whether an interim response to the request under way was received."""
    _begun: Iterable[commands.Command] | None = None
    """What else a read leads to, when `relay` has taken its chunks and its event is still to come."""
    _begun_size = 0
    """The bytes of that read: the event may also have those of the next one."""
    idle_since = 0.0
    """Wall clock, as in the pool."""

    def begin(self, head_bytes: int, relay: Relay) -> None:
        """Read heads with this class. The state was bound while the class was still mitmproxy's."""
        self._head_bytes = head_bytes
        self._relay = relay
        self.idle_since = time.time()
        self.state = self.read_headers

    @property
    def is_idle(self) -> bool:
        """Whether the last response has ended and no other request was sent."""
        return self.request is None and not self.buf and self.state == self.read_headers

    def detach(self) -> None:
        """Release every reference to the client that was served."""
        self._relay = _discard

    def relay(self, data: bytes) -> Relayed | None:
        """Return the writes to the client that a read of plain chunks leads to. None: nothing was taken of it.

        What was taken is written now: its translator counts it as sent, and another event may end the turn first.
        """
        if self.state != self.read_body or self._begun is not None:
            return None
        try:
            found = self._take_chunks(data)
        except Exception as error:  # noqa: BLE001  raised again inside the boundary, by the event that follows
            self._begun, self._begun_size = _raising(error), len(data)
            return (), False
        if len(found) == 1 and type(write := found[0]) is commands.SendData and not self.buf._data:  # noqa: SLF001
            # nearly every read
            return (write,), True
        writes = [command for command in found if type(command) is commands.SendData]
        if not self.buf and len(writes) == len(found):
            return writes, True
        # a write is the first command, if there is one
        self._begun, self._begun_size = found[len(writes) :], len(data)
        return writes, False

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle plain chunks without the generators that a rarer event passes through."""
        if isinstance(event, HttpEvent):
            return self.send(event)
        if self._begun is not None:
            return self._go_on(event)
        if type(event) is not events.DataReceived or self.state != self.read_body:
            return self._handle_event(event)
        found = self._take_chunks(event.data)
        if not self.buf:
            return cast("CommandGenerator[None]", iter(found))
        return _in_turn(found, lambda: self._handle_event(events.DataReceived(self.conn, b"")))

    def _go_on(self, event: events.Event) -> CommandGenerator[None]:
        """Carry out what `relay` has begun, then handle the rest of the event."""
        found, self._begun = self._begun or (), None
        if type(event) is events.DataReceived:
            event = events.DataReceived(self.conn, event.data[self._begun_size :])
            if not event.data and not self.buf:
                return cast("CommandGenerator[None]", iter(found))
        return _in_turn(found, lambda: self._handle_event(event))

    def _take_chunks(self, data: bytes) -> Sequence[commands.Command]:
        if self.buf._data:  # noqa: SLF001  h11's `len` takes two calls, and this runs for every read
            # the read before ended inside a line
            self.buf += data
            parts = take_buffered(self)
        else:
            parts, size = take_chunks(self.body_reader, data)
            if size < len(data):
                self.buf += data[size:]
        return self.part(parts[0] if len(parts) == 1 else b"".join(parts)) if parts else ()

    def part(self, data: bytes) -> Sequence[commands.Command]:
        """Return what the layer makes of a part of the body."""
        assert self.stream_id is not None  # noqa: S101  a body has a stream
        return self._relay(self.stream_id, data)

    def mark_done(self, *, request: bool = False, response: bool = False) -> CommandGenerator[None]:
        """Report a connection that is idle now."""
        yield from super().mark_done(request=request, response=response)
        if self.is_idle:
            self._acknowledged = False
            self.idle_since = time.time()
            yield notices.ConnectionIdle(self.conn)

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Skip interim heads. End the attempt when a head exceeds its limit or does not come."""
        if not isinstance(event, events.DataReceived):
            yield from self._end_before_head()
            return
        if self.request is None or self.stream_id is None:
            if not _IDLE_TIMEOUT.match(bytes(self.buf)):
                yield notices.SpokeUnasked(self.conn)
            yield from super().read_headers(event)
            return
        self._skip_interim_heads()
        data = bytes(self.buf._data[: self._head_bytes + 1])  # noqa: SLF001
        end = HEAD_END.search(data, 0, self._head_bytes)
        if end is None and len(data) > self._head_bytes:
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                ResponseProtocolError(
                    self.stream_id, notices.HEAD_WITHOUT_END, ErrorCode.GENERIC_SERVER_ERROR
                )
            )
            self.state = self.done
        elif end is None or data.startswith((b"\n", b"\r\n")):
            yield from super().read_headers(event)
        else:
            yield from self._begin_response(data[: end.end()], event)

    def _begin_response(self, head: bytes, event: events.DataReceived) -> CommandGenerator[None]:
        assert self.request is not None  # noqa: S101  checked by the caller
        assert self.stream_id is not None  # noqa: S101
        try:
            response = read_response(head)
            size = http1.expected_http_body_size(self.request, response)
        except ValueError:
            # mitmproxy reads it again, and reports what is wrong
            yield from super().read_headers(event)
            return
        self.buf.maybe_extract_at_most(len(head))
        self.response = response
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response, size == 0))
        yield from self.begin_body(size, event)

    def _end_before_head(self) -> CommandGenerator[None]:
        if self.conn.state & ConnectionState.CAN_WRITE:
            yield commands.CloseConnection(self.conn)
        if self.stream_id is not None:
            text = notices.HEAD_CUT if self.buf or self._acknowledged else notices.NOTHING_RECEIVED
            yield ReceiveHttp(
                ResponseProtocolError(self.stream_id, text, ErrorCode.GENERIC_SERVER_ERROR)
            )

    def _skip_interim_heads(self) -> None:
        while _INTERIM.match(self.buf._data):  # noqa: SLF001
            self._acknowledged = True
            if self.buf.maybe_extract_lines() is None:
                return


def install_upstream_parser(layers: list[layer.Layer], head_bytes: int, relay: Relay) -> None:
    """Make the HTTP/1 layer of a new upstream connection an `UpstreamHttp1`."""
    around, protocol = layers[-2:]
    if type(protocol) is Http1Client:
        protocol.__class__ = UpstreamHttp1
        cast("UpstreamHttp1", protocol).begin(head_bytes, relay)
        # one was bound while the class was still mitmproxy's, the other only asks whether this layer is paused
        around.__dict__.update(
            _handle_event=protocol.handle_event, handle_event=protocol.handle_event
        )
