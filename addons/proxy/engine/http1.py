"""Both HTTP/1 sides: mitmproxy's own, with joined body reads and our own words for what is malformed.

mitmproxy turns each HTTP/1 chunk into an event of its own, answers a bad head with an HTML page that echoes it, and
buffers an endless head. Here one network read gives one body event, the answer is JSON without any byte of the head,
and a head has a limit. Validation stays with h11 and mitmproxy.
"""

from __future__ import annotations

from collections.abc import Iterator

import h11
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from addons.core.errors import Problem
from addons.proxy.engine.downstream import http_response
from addons.proxy.engine.faults import BROKEN_BODY, HEAD_WITHOUT_END

BAD_HEAD = Problem(
    400,
    "bad_request",
    "codex-shim could not read this request: its head is not valid HTTP/1. "
    "Check the program that sent it; nothing was sent on.",
)
LARGE_HEAD = Problem(
    431,
    "request_head_too_large",
    "codex-shim refuses this request: its head is larger than the `head_bytes` limit. "
    "Nothing was sent on.",
)


def joined_events(connection: Http1Connection, *, at_eof: bool) -> Iterator[h11.Event]:
    """Give what one read brought: at most one Data, then the end of the message if it came.

    Raises h11.ProtocolError for broken framing, after the whole part was given.
    """
    parts: list[bytes] = []
    reader = connection.body_reader
    end: h11.EndOfMessage | None = None
    fault: h11.ProtocolError | None = None
    try:
        while event := reader.read_eof() if at_eof else reader(connection.buf):
            if isinstance(event, h11.EndOfMessage):
                end = event
                break
            parts.append(bytes(event.data))
    except h11.ProtocolError as error:
        fault = error
    if body := parts[0] if len(parts) == 1 else b"".join(parts):
        yield h11.Data(data=body)
    if end:
        yield end
    if fault:
        raise fault


class JoinedReads(Http1Connection):
    """The body half of both sides."""

    def read_body(self, event: events.Event) -> CommandGenerator[None]:
        """Pass on what one read brought. Trailers are dropped: no client or upstream of ours uses them."""
        assert self.stream_id is not None  # noqa: S101  what mitmproxy itself assumes here
        try:
            for part in joined_events(self, at_eof=isinstance(event, events.ConnectionClosed)):
                if isinstance(part, h11.Data):
                    yield ReceiveHttp(self.ReceiveData(self.stream_id, bytes(part.data)))
                else:
                    yield ReceiveHttp(self.ReceiveEndOfMessage(self.stream_id))
                    yield from self._body_done()
        except h11.ProtocolError:
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                self.ReceiveProtocolError(
                    self.stream_id, BROKEN_BODY, code=self.ReceiveProtocolError.code
                )
            )

    def _body_done(self) -> CommandGenerator[None]:
        is_request = isinstance(self, Http1Server)
        yield from self.mark_done(request=is_request, response=not is_request)


class ListenerHttp1(JoinedReads, Http1Server):
    """What Codex talks to."""

    def __init__(self, context: Context, head_bytes: int) -> None:
        super().__init__(context)
        self._head_bytes = head_bytes

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """Refuse a bad or endless head in JSON, without a flow and without an echo of it."""
        if len(self.buf) > self._head_bytes and not _holds_a_head(bytes(self.buf)):
            yield from self._refuse(LARGE_HEAD)
            return
        for command in super().read_headers(event):
            if isinstance(command, commands.SendData):
                # mitmproxy only writes here to refuse; a flow that it would still make is not wanted
                yield from self._refuse(BAD_HEAD)
                return
            yield command

    def _refuse(self, problem: Problem) -> CommandGenerator[None]:
        response = http_response(problem.reply(), close=True)
        yield commands.SendData(self.conn, http1.assemble_response(response))
        yield commands.CloseConnection(self.conn)
        self.state = self.done


class UpstreamHttp1(JoinedReads, Http1Client):
    """What we talk to upstreams with. A connection becomes one once it is established."""

    _head_bytes: int

    def begin(self, head_bytes: int) -> None:
        """Read heads our way, the first one too: its state was bound while the class was still mitmproxy's."""
        self._head_bytes = head_bytes
        self.state = self.read_headers

    def read_headers(self, event: events.ConnectionEvent) -> CommandGenerator[None]:
        """End the attempt when an upstream's head has no end."""
        too_large = len(self.buf) > self._head_bytes and not _holds_a_head(bytes(self.buf))
        if too_large and self.stream_id is not None:
            yield commands.CloseConnection(self.conn)
            yield ReceiveHttp(
                ResponseProtocolError(
                    self.stream_id, HEAD_WITHOUT_END, ErrorCode.GENERIC_SERVER_ERROR
                )
            )
            self.state = self.done
            return
        yield from super().read_headers(event)


def _holds_a_head(data: bytes) -> bool:
    return b"\r\n\r\n" in data or b"\n\n" in data
