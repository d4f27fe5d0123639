"""HTTP/1 connections that stay, whose messages are framed and ended without a second look at their heads.

mitmproxy reads both heads again for each part that it sends, and four times to learn whether a connection stays. Here a
head is looked at when it is sent.

Never does: keep a connection that mitmproxy would close. Invariant: a message that says `close`, in whatever case, ends
its connection; what is not the usual case is left to mitmproxy.
"""

from __future__ import annotations

from h11._readers import Http10Reader
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server

from addons.proxy.engine.mitmproxy_patches.coalesced_reads import CoalescedReads
from addons.proxy.engine.mitmproxy_patches.last_request import LAST_CHUNK, says_close

_HOP_BY_HOP = {b"connection", b"transfer-encoding"}
_SWITCHING_PROTOCOLS = 101


def _is_usual(response: http.Response) -> bool:
    """Return whether a response keeps its connection, and HTTP on it, unless it says otherwise."""
    data = response.data
    is_http11: bool = data.http_version == b"HTTP/1.1"
    return is_http11 and data.status_code != _SWITCHING_PROTOCOLS


class KeptServer(CoalescedReads, Http1Server):
    """The side that clients connect to."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.chunks = False
        """Whether the answer under way is chunked."""

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
        self.chunks = "chunked" in response.headers.get("transfer-encoding", "").lower()
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


class KeptClient(CoalescedReads, Http1Client):
    """The side that connects to upstreams."""

    _is_plain = False
    """Whether the request under way is not chunked and says nothing about its connection."""

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Frame a request without reading its head again for each part."""
        if isinstance(event, RequestHeaders):
            data = event.request.data
            names = {name.lower() for name, _ in data.headers.fields}
            self._is_plain = data.http_version == b"HTTP/1.1" and names.isdisjoint(_HOP_BY_HOP)
            if self._is_plain and self.stream_id is None:
                self.stream_id, self.request = event.stream_id, event.request
                yield commands.SendData(self.conn, http1.assemble_request_head(event.request))
                return
        elif self._is_plain and isinstance(event, RequestData) and event.data:
            yield commands.SendData(self.conn, event.data)
            return
        elif self._is_plain and isinstance(event, RequestEndOfMessage):
            yield from self.mark_done(request=True)
            return
        yield from super().send(event)

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
