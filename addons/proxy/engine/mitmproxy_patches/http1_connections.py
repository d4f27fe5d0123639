"""HTTP/1 connections that stay, whose heads are looked at once and whose bodies give one event for each network read.

mitmproxy turns each HTTP/1 chunk into an event. Here the plain chunks of a read are cut in one pass (`plain_chunks`), and
everything else is left to h11. mitmproxy also reads both heads again for each part that it sends, and four times to learn
whether a connection stays. Here a head is looked at when it is sent.

Never does: accept framing that h11 refuses, or keep a connection that mitmproxy would close. Invariant: a read gives at most
one part, then the end of the message. A message that says `close`, in whatever case, ends its connection; what is not the
usual case is left to mitmproxy.

Writes: a head and the small body after it would be two packets, two system calls here and two wake-ups at the peer. What is
written is joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import h11
from h11._readers import ChunkedReader, ContentLengthReader, Http10Reader
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import (
    Http1Client,
    Http1Connection,
    Http1Server,
    make_body_reader,
)

from addons.proxy.engine.mitmproxy_patches.messages import LAST_CHUNK, folded, says_close
from addons.proxy.engine.mitmproxy_patches.plain_chunks import take_buffered

BROKEN_BODY = "broken body framing"
_END = b"0\r\n\r\n"


MAX_JOINED_BYTES = 64 * 1024
"""Beyond this, copying costs more than a write."""


Relayed = tuple[Sequence[commands.SendData], bool]
"""What goes to the client now, and whether that is all. If not, a `DataReceived` that begins with the read has to follow."""


class Flush(commands.Command):
    """Lets what was written so far leave before what follows."""


class CoalescedWrites:
    """Holds writes back until another command, or the end of the event, comes, or for longer if `hold` was called."""

    __slots__ = ("_held", "_waits", "when_held")

    def __init__(self) -> None:
        self._held: list[commands.SendData] = []
        self._waits = False
        self.when_held: Callable[[], object] | None = None
        """Called when writes are held beyond the end of an event: has to take them soon."""

    def add(self, write: commands.SendData) -> None:
        """Hold a write back, joined with the one before it if both are small and go to the same connection."""
        last = self._held[-1] if self._held else None
        if (
            last
            and last.connection is write.connection
            and len(last.data) + len(write.data) <= MAX_JOINED_BYTES
        ):
            last.data += write.data
        else:
            self._held.append(write)

    def hold(self) -> None:
        """Let what the event under way writes wait for what may be there to be read."""
        self._waits = True

    def take_at_end(self) -> Sequence[commands.SendData]:
        """Return what is held back at the end of an event."""
        waits, self._waits = self._waits, False
        # what is for one connection only
        if waits and self.when_held and len(self._held) == 1:
            self.when_held()
            return ()
        return self.take()

    def take(self) -> Sequence[commands.SendData]:
        """Return what is held back."""
        if not self._held:
            return ()
        held, self._held = self._held, []
        return held

    def take_with(self, writes: Sequence[commands.SendData]) -> Sequence[commands.SendData]:
        """Return what is held back, joined with the writes behind it."""
        if not self._held:
            return writes
        for write in writes:
            self.add(write)
        return self.take()


def read_joined(
    connection: Http1Connection, *, at_eof: bool
) -> tuple[bytes, bool, h11.ProtocolError | None]:
    """Return what one read brought: a part of the body, whether the message has ended, and what is broken behind that."""
    reader = connection.body_reader
    if not at_eof and isinstance(reader, ContentLengthReader):
        part = connection.buf.maybe_extract_at_most(reader._remaining) or b""  # noqa: SLF001
        reader._remaining -= len(part)  # noqa: SLF001
        return bytes(part), reader._remaining == 0, None  # noqa: SLF001
    parts = take_buffered(connection)
    is_ended, fault = not at_eof and _take_plain_end(connection), None
    try:
        while not is_ended and (event := reader.read_eof() if at_eof else reader(connection.buf)):
            if isinstance(event, h11.EndOfMessage):
                is_ended = True
                break
            parts.append(bytes(event.data))
    except h11.ProtocolError as error:
        fault = error
    return parts[0] if len(parts) == 1 else b"".join(parts), is_ended, fault


def _take_plain_end(connection: Http1Connection) -> bool:
    """Take the end of a chunked body if nothing else is there: no extension, no trailer, no other message."""
    reader = connection.body_reader
    if not isinstance(reader, ChunkedReader) or reader._bytes_in_chunk or reader._reading_trailer:  # noqa: SLF001
        return False
    is_end = connection.buf._data == reader._bytes_to_discard + _END  # noqa: SLF001
    if is_end:
        connection.buf.maybe_extract_at_most(len(connection.buf))
    return is_end


def _with_data(found: Sequence[commands.Command]) -> Sequence[commands.Command]:
    """Leave out an event without data: the stream would only look at what was relayed, as it does at the end that follows."""
    return [
        each
        for each in found
        if not isinstance(each, ReceiveHttp) or cast("ResponseData", each.event).data
    ]


class CoalescedReads(Http1Connection):
    """The handling of bodies that both sides share."""

    @property
    def is_reading_body(self) -> bool:
        """Whether the body of a message is under way."""
        return self.state == self.read_body

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event. Not by mitmproxy's method: no command blocks this layer."""
        return self.send(event) if isinstance(event, HttpEvent) else self._handle_event(event)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and self.state != self.passthrough:
            self.buf += event.data
        return cast("CommandGenerator[None]", self.state(event))

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        """Pass on what one read brought. Trailers are dropped: no supported client or upstream uses them."""
        assert self.stream_id is not None  # noqa: S101  what mitmproxy itself assumes here
        body, is_ended, fault = read_joined(self, at_eof=isinstance(event, events.ConnectionClosed))
        if body:
            found = self.part(body)
            yield from _with_data(found) if is_ended else found
        if is_ended:
            yield ReceiveHttp(self.ReceiveEndOfMessage(self.stream_id))
            is_request = isinstance(self, Http1Server)
            yield from self.mark_done(request=is_request, response=not is_request)
        if fault:
            yield from self._before_broken_end()
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                self.ReceiveProtocolError(
                    self.stream_id, BROKEN_BODY, code=self.ReceiveProtocolError.code
                )
            )

    def begin_body(self, size: int | None, event: events.Event) -> CommandGenerator[None]:
        """Read the body behind a head. Its size is None for chunks and -1 if only its connection's end ends it."""
        self.body_reader = self.chunked_reader() if size is None else make_body_reader(size)
        self.state = self.read_body
        return self.read_body(event)

    def chunked_reader(self) -> ChunkedReader:
        """Return a reader of chunks."""
        return ChunkedReader()

    def part(self, data: bytes) -> Sequence[commands.Command]:
        """Return the commands that a part of the body leads to."""
        assert self.stream_id is not None  # noqa: S101  a body has a stream
        return (ReceiveHttp(self.ReceiveData(self.stream_id, data)),)

    def _before_broken_end(self) -> CommandGenerator[None]:
        """Answer broken framing, before the connection is closed."""
        yield from ()

    def begin_next(self) -> CommandGenerator[None]:
        """Read the head of the next message, whose start may be here already."""
        self.request_done = self.response_done = False
        self.request = self.response = None
        self.state = self.read_headers
        if self.buf:
            yield from self.read_headers(events.DataReceived(self.conn, b""))


_HOP_BY_HOP = {b"connection", b"transfer-encoding"}
_SWITCHING_PROTOCOLS = 101


def _is_usual(response: http.Response) -> bool:
    """Return whether a response keeps its connection, and HTTP on it, unless it says otherwise."""
    data = response.data
    is_http11: bool = data.http_version == b"HTTP/1.1"
    return is_http11 and data.status_code != _SWITCHING_PROTOCOLS


class TakesParts(Protocol):
    """The stream of a request."""

    def take_part(self, data: bytes) -> bool:
        """Take a part of the body without an event. False: it has to come as one."""


class KeptServer(CoalescedReads, Http1Server):
    """The side that clients connect to."""

    def __init__(self, context: Context, streams: Mapping[int, HttpStream]) -> None:
        super().__init__(context)
        self._streams = streams
        """Those of the layer, all of which take parts."""
        self.chunks = False
        """Whether the answer under way is chunked."""

    def relay(self, data: bytes) -> Relayed | None:
        """Hand a part of a long body to its stream. There is nothing to write. None: the stream takes it as an event only."""
        if not self._is_inside(data) or (stream := self._streams.get(self.stream_id)) is None:
            return None
        if not cast("TakesParts", stream).take_part(data):
            return None
        self._pass(data)
        return (), True

    def handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Pass a part of a long body on as it came: h11 would copy it three times."""
        if isinstance(event, HttpEvent):
            return self.send(event)
        if type(event) is events.DataReceived and self._is_inside(event.data):
            self._pass(event.data)
            return cast("CommandGenerator[None]", iter(self.part(event.data)))
        return self._handle_event(event)

    def _is_inside(self, data: bytes) -> bool:
        """Return whether this is a part of a body, and neither its last one nor more. h11 reads those."""
        if self.state != self.read_body or self.buf:
            return False
        reader = self.body_reader
        return isinstance(reader, ContentLengthReader) and len(data) < reader._remaining  # noqa: SLF001

    def _pass(self, data: bytes) -> None:
        cast("ContentLengthReader", self.body_reader)._remaining -= len(data)  # noqa: SLF001

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Frame the data of an answer without reading its head again for each part."""
        if self.chunks and isinstance(event, ResponseData) and event.data:
            yield self.chunk(event.data)
        elif self.chunks and isinstance(event, ResponseEndOfMessage):
            assert self.request is not None  # noqa: S101  what is answered
            if self.request.data.method.upper() != b"HEAD":
                yield commands.SendData(self.conn, LAST_CHUNK)
            yield from self.mark_done(response=True)
        elif isinstance(event, ResponseHeaders):
            yield from self._send_head(event)
        else:
            yield from super().send(event)

    def _send_head(self, event: ResponseHeaders) -> CommandGenerator[None]:
        response = event.response
        coding = folded(response.data.headers).get(b"transfer-encoding", b"")
        self.chunks = b"chunked" in coding.lower()
        if response.data.http_version == b"HTTP/1.1" and event.stream_id == self.stream_id:
            self.response = response
            yield commands.SendData(self.conn, http1.assemble_response_head(response))
        else:
            yield from super().send(event)

    def chunk(self, data: bytes) -> commands.SendData:
        """Frame a part of a chunked answer. An empty one would end it."""
        return commands.SendData(self.conn, b"%x\r\n%b\r\n" % (len(data), data))

    def mark_done(self, *, request: bool = False, response: bool = False) -> CommandGenerator[None]:
        """Close the connection if the request says so in any case."""
        self.request_done = self.request_done or request
        self.response_done = self.response_done or response
        if not self.request_done or not self.response_done:
            if self.request_done:
                self.state = self.wait
            return
        assert self.request is not None  # noqa: S101  what mitmproxy itself assumes here
        assert self.response is not None  # noqa: S101
        if says_close(self.request):
            self.state = self.done
            yield commands.CloseConnection(self.conn)
        elif self._keeps_client(self.request, self.response):
            self.stream_id += 2
            yield from self.begin_next()
        else:
            yield from super().mark_done()

    def _keeps_client(self, request: http.Request, response: http.Response) -> bool:
        """Return whether this is a streamed answer whose connection stays. mitmproxy reads both heads again for that."""
        is_http11 = request.data.http_version == b"HTTP/1.1"
        return self.chunks and is_http11 and _is_usual(response) and not says_close(response)


@dataclass
class WholeRequest(RequestHeaders):
    """A request with all of its body: one event in place of three."""

    body: bytes = b""


class KeptClient(CoalescedReads, Http1Client):
    """The side that connects to upstreams."""

    _is_plain = False
    """Whether the request under way is not chunked and says nothing about its connection."""

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Frame a request without reading its head again for its end."""
        if isinstance(event, RequestHeaders):
            data = event.request.data
            names = {name.lower() for name, _ in data.headers.fields}
            self._is_plain = data.http_version == b"HTTP/1.1" and names.isdisjoint(_HOP_BY_HOP)
            if self._is_plain and self.stream_id is None:
                self.stream_id, self.request = event.stream_id, event.request
                head = http1.assemble_request_head(event.request)
                if type(event) is WholeRequest:
                    self.request_done = True
                    yield from self._joined(head, event.body)
                else:
                    yield commands.SendData(self.conn, head)
                return
            if type(event) is WholeRequest:
                yield from self._send_parts(event)
                return
        elif self._is_plain and isinstance(event, RequestEndOfMessage):
            yield from self.mark_done(request=True)
            return
        yield from super().send(event)

    def _joined(self, head: bytes, body: bytes) -> Sequence[commands.SendData]:
        if len(head) + len(body) <= MAX_JOINED_BYTES:
            return (commands.SendData(self.conn, head + body),)
        return commands.SendData(self.conn, head), commands.SendData(self.conn, body)

    def _send_parts(self, whole: WholeRequest) -> CommandGenerator[None]:
        """Let mitmproxy send a request part by part."""
        yield from super().send(RequestHeaders(whole.stream_id, whole.request, whole.end_stream))
        if whole.body:
            yield from super().send(RequestData(whole.stream_id, whole.body))
        yield from super().send(RequestEndOfMessage(whole.stream_id))

    def mark_done(self, *, request: bool = False, response: bool = False) -> CommandGenerator[None]:
        """Close the connection if the response says so in any case."""
        self.request_done = self.request_done or request
        self.response_done = self.response_done or response
        if not self.request_done or not self.response_done:
            return
        assert self.response is not None  # noqa: S101  what mitmproxy itself assumes here
        if says_close(self.response):
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            return
        is_framed = type(self.body_reader) is not Http10Reader
        if self._is_plain and is_framed and _is_usual(self.response):
            self.stream_id = None
            yield from self.begin_next()
        else:
            yield from super().mark_done()
