"""Both HTTP/1 sides: mitmproxy's own, with joined body reads and our own words for what is malformed.

mitmproxy turns each HTTP/1 chunk into an event of its own, answers a bad head with an HTML page that echoes it, and
buffers an endless head. Here one network read gives one body event, the answer is JSON without any byte of the head,
and a head has limits of size and time. Validation stays with h11 and mitmproxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import h11
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.proxy.engine.downstream import http_response
from addons.proxy.engine.faults import BROKEN_BODY, HEAD_WITHOUT_END

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
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,7})\r\n")
"""The head of a chunk without extensions."""
_CRLF = b"\r\n"
_HEAD_END = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9]\b")
"""The start of a head that another one follows (RFC 9110, 15.2). After a 101 no HTTP would follow."""


def joined_events(connection: Http1Connection, *, at_eof: bool) -> Iterator[h11.Event]:
    """Give what one read brought: at most one Data, then the end of the message if it came.

    Raises h11.ProtocolError for broken framing, after the whole part was given.
    """
    reader = connection.body_reader
    parts = _plain_chunks(connection)
    end: h11.EndOfMessage | None = None
    fault: h11.ProtocolError | None = None
    try:
        while event := reader.read_eof() if at_eof else reader(connection.buf):
            if isinstance(event, h11.EndOfMessage):
                end = event
                break
            parts.append(bytes(event.data))
            parts += _plain_chunks(connection)
    except h11.ProtocolError as error:
        fault = error
    if body := parts[0] if len(parts) == 1 else b"".join(parts):
        yield h11.Data(data=body)
    if end:
        yield end
    if fault:
        raise fault


def _plain_chunks(connection: Http1Connection) -> list[bytes]:
    """Cut the plain chunks that are whole in one pass. All else is left to h11, which validates it.

    Begins and ends where h11's reader stands: before a chunk, or before the line end that it has still to discard. So
    the reader need not know that more passed between.
    """
    reader = connection.body_reader
    if not isinstance(reader, ChunkedReader) or reader._bytes_in_chunk or reader._reading_trailer:  # noqa: SLF001
        return []
    owed = reader._bytes_to_discard  # noqa: SLF001
    if owed not in (b"", _CRLF):
        return []
    parts: list[bytes] = []
    data, at = bytes(connection.buf), 0
    while data.startswith(owed, at) and (head := _SIZE_LINE.match(data, at + len(owed))):
        start = head.end()
        end = start + int(head[1], 16)
        # Without a line end owed, the chunk's own has to be here too
        after = end if owed else end + len(_CRLF)
        if end == start or after > len(data) or not data.startswith(_CRLF[: after - end], end):
            break
        parts.append(data[start:end])
        at = after
    connection.buf.maybe_extract_at_most(at)
    return parts


Relay = Callable[[int, bytes], Iterable[commands.Command]]
"""Stream id and a part of its body → what to do about it."""


def _one_after_the_other(
    first: Iterable[commands.Command], then: CommandGenerator[None]
) -> CommandGenerator[None]:
    yield from first
    yield from then


def _unheard(_stream_id: int, _data: bytes) -> Iterable[commands.Command]:
    return ()


def receive(stream_id: int, data: bytes) -> ReceiveHttp:
    """Hand a part of an answer to its stream."""
    return ReceiveHttp(ResponseData(stream_id, data))


class JoinedReads(Http1Connection):
    """The body half of both sides."""

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        """Pass on what one read brought. Trailers are dropped: no client or upstream of ours uses them."""
        assert self.stream_id is not None  # noqa: S101  what mitmproxy itself assumes here
        try:
            for part in joined_events(self, at_eof=isinstance(event, events.ConnectionClosed)):
                if isinstance(part, h11.Data):
                    yield from self._part(bytes(part.data))
                else:
                    yield ReceiveHttp(self.ReceiveEndOfMessage(self.stream_id))
                    yield from self._body_done()
        except h11.ProtocolError:
            yield from self._before_broken_end()
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                self.ReceiveProtocolError(
                    self.stream_id, BROKEN_BODY, code=self.ReceiveProtocolError.code
                )
            )

    def _part(self, data: bytes) -> Iterable[commands.Command]:
        """What becomes of a part of the body."""
        assert self.stream_id is not None  # noqa: S101  a body has a stream
        return (ReceiveHttp(self.ReceiveData(self.stream_id, data)),)

    def _before_broken_end(self) -> CommandGenerator[None]:
        """What the other side is told of its broken framing."""
        yield from ()

    def _body_done(self) -> CommandGenerator[None]:
        is_request = isinstance(self, Http1Server)
        yield from self.mark_done(request=is_request, response=not is_request)


class ListenerHttp1(JoinedReads, Http1Server):
    """What Codex talks to."""

    def __init__(self, context: Context, limits: Limits) -> None:
        super().__init__(context)
        self._limits = limits
        self._deadline: commands.RequestWakeup | None = None
        """Set while a head is under way: idle connections may stay."""
        self.chunks = False
        """Whether the answer under way is chunked."""

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Pass a part of a long body on as it came: h11 would copy it three times."""
        if type(event) is events.DataReceived and not self.buf and self.state == self.read_body:
            reader = self.body_reader
            # the last part, and what may follow it, is h11's to see
            if isinstance(reader, ContentLengthReader) and len(event.data) < reader._remaining:  # noqa: SLF001
                reader._remaining -= len(event.data)  # noqa: SLF001
                return cast("CommandGenerator[None]", iter(self._part(event.data)))
        return super().handle_event(event)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if not isinstance(event, events.Wakeup):
            yield from super()._handle_event(event)
        elif event.command is self._deadline:
            yield from self._refuse(SLOW_HEAD)

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Frame an answer's data without looking its head up again for each part of it."""
        if isinstance(event, ResponseData) and event.data and self.chunks:
            yield self.chunk(event.data)
            return
        if isinstance(event, ResponseHeaders):
            coding = event.response.headers.get("transfer-encoding", "")
            self.chunks = "chunked" in coding.lower()
        yield from super().send(event)

    def chunk(self, data: bytes) -> commands.SendData:
        """Frame a part of a chunked answer. An empty one would end it."""
        return commands.SendData(self.conn, b"%x\r\n%b\r\n" % (len(data), data))

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Refuse a bad, endless or slow head in JSON, without a flow and without an echo of it."""
        if _head_is_over(bytes(self.buf), self._limits.head_bytes):
            yield from self._refuse(LARGE_HEAD)
            return
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData):
                # mitmproxy only writes here to refuse; a flow that it would still make is not wanted
                yield from self._refuse(BAD_HEAD)
                return
            if isinstance(command, ReceiveHttp):
                self._deadline = None
            yield command
        if self.state == self.read_headers and self.buf and not self._deadline:
            self._deadline = commands.RequestWakeup(self._limits.head_seconds)
            yield self._deadline

    def wait(self, event: events.Event) -> CommandGenerator[None]:
        """Cut a client off that sends more than one more request while it is answered."""
        yield from super().wait(event)
        if len(self.buf) > self._limits.head_bytes + self._limits.body_bytes:
            self.buf = ReceiveBuffer()
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                RequestProtocolError(
                    self.stream_id, "too much was sent ahead", ErrorCode.CLIENT_DISCONNECTED
                )
            )

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


class UpstreamHttp1(JoinedReads, Http1Client):
    """What we talk to upstreams with. A connection becomes one once it is established."""

    _head_bytes: int
    _relay: Relay

    def begin(self, head_bytes: int, relay: Relay) -> None:
        """Read heads our way, the first one too: its state was bound while the class was still mitmproxy's."""
        self._head_bytes = head_bytes
        self._relay = relay
        self.state = self.read_headers

    @property
    def is_idle(self) -> bool:
        """Whether the last answer has ended, and no other was asked for."""
        return self.request is None and not self.buf and self.state == self.read_headers

    @property
    def is_answering(self) -> bool:
        """Whether the body of an answer is under way."""
        return self.state == self.read_body

    def rest(self) -> None:
        """Hold nothing of the client that was served."""
        self._relay = _unheard

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Take plain chunks without the generators that a rarer event passes through."""
        if type(event) is not events.DataReceived or self.state != self.read_body:
            return super().handle_event(event)
        self.buf += event.data
        parts = _plain_chunks(self)
        found = self._part(parts[0] if len(parts) == 1 else b"".join(parts)) if parts else ()
        if not self.buf:
            # a generator: the layer around this one sends into what it is given
            return (one for one in found)
        rest = super().handle_event(events.DataReceived(event.connection, b""))
        return _one_after_the_other(found, rest)

    def _part(self, data: bytes) -> Iterable[commands.Command]:
        assert self.stream_id is not None  # noqa: S101  a body has a stream
        return self._relay(self.stream_id, data)

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Skip heads that only announce the real one; end the attempt when a head has no end."""
        self._skip_interim_heads()
        if self.stream_id is not None and _head_is_over(bytes(self.buf), self._head_bytes):
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                ResponseProtocolError(
                    self.stream_id, HEAD_WITHOUT_END, ErrorCode.GENERIC_SERVER_ERROR
                )
            )
            self.state = self.done
            return
        yield from super().read_headers(event)

    def _skip_interim_heads(self) -> None:
        while self.request and _INTERIM.match(bytes(self.buf)):
            if self.buf.maybe_extract_lines() is None:
                return


def _head_is_over(data: bytes, limit: int) -> bool:
    return len(data) > limit and not _HEAD_END.search(data, 0, limit)
