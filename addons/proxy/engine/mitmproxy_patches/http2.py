"""The HTTP/2 connection of a client: mitmproxy's own, in which a fault of one stream ends that stream alone.

h2 parses a whole read before mitmproxy sees its first event. At the end of a request mitmproxy forgets a stream that is
closed by then, and so ignores the RST_STREAM or GOAWAY that closed it: the turn would run on for nobody. Here a stream is
forgotten only by the event that closed it.

h2 ends the connection, and every turn on it, for a malformed field section, such as one with a `connection` header. RFC
9113, 8.1.1, makes that an error of the stream. Here h2's own checks run on each field section, and reset its stream. So does
what mitmproxy cannot read, such as an authority with a port that is no number, and a content-length that is no number or
not that of the body, which h2 takes for an error of the connection as well.

mitmproxy buffers what the client's window has no room for, without a bound. Here `drained` lets the source of a stream wait.

Never does: parse a frame. Invariant: a stream that the client resets, in whatever read, ends its turn; a malformed
request reaches no turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import h2.events
from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.stream import H2Stream
from h2.utilities import HeaderValidationFlags, validate_headers
from hpack.struct import Header
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode
from mitmproxy.proxy.layers.http._http2 import Http2Server, parse_h2_request_headers
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from addons.core.server.admission import is_valid_length

MAX_HELD_BACK = 256 * 1024
"""Bytes that may wait for the window of a stream before its source has to wait."""

MALFORMED = "malformed HTTP/2 request"


class UncheckedStream(H2Stream):
    """A stream of h2 that leaves the content-length to `ListenerHttp2`."""

    def _initialize_content_length(self, headers: Iterable[Header]) -> None:
        """Expect a body of any length."""


class ListenerH2Connection(BufferedH2Connection):
    """mitmproxy's connection, in which a wrong content-length is no error of the connection."""

    written = 0
    """Bytes for the client in all."""

    def data_to_send(self, amount: int | None = None) -> bytes:
        """Return what is to be written to the client's connection."""
        data = super().data_to_send(amount)
        self.written += len(data)
        return data

    def _begin_new_stream(self, *args: Any, **kwargs: Any) -> H2Stream:
        stream = super()._begin_new_stream(*args, **kwargs)
        stream.__class__ = UncheckedStream
        return stream


class ListenerHttp2(Http2Server):
    """The HTTP/2 side that clients connect to."""

    # one of its own: mitmproxy's is shared with connections that it opens itself
    h2_conf = H2Configuration(**Http2Server.h2_conf_defaults, client_side=False)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.h2_conf.validate_inbound_headers = False
        self.h2_conn: ListenerH2Connection = ListenerH2Connection(self.h2_conf)
        self._client_spoke = asyncio.Event()
        self._missing: dict[int, int] = {}
        """Stream → the bytes that its content-length promises and that have not come."""

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        """Handle an event. What a client sends may open a window."""
        yield from super()._handle_event(event)
        if isinstance(event, events.DataReceived):
            self._client_spoke.set()

    @property
    def written(self) -> int:
        """How many bytes were written to the connection in all."""
        return self.h2_conn.written

    def held_back(self, stream_id: int) -> int:
        """Return how many bytes of a stream wait for the client to open its window."""
        return sum(len(part.data) for part in self.h2_conn.stream_buffers.get(stream_id, ()))

    async def drained(self, stream_id: int) -> None:
        """Wait while much of a stream is held back. Its end does not end the wait: the task has to be cancelled."""
        while self.held_back(stream_id) > MAX_HELD_BACK:
            self._client_spoke.clear()
            await self._client_spoke.wait()

    def handle_h2_event(self, event: h2.events.Event) -> CommandGenerator[bool]:
        """Pass an event on, unless it makes its request malformed. Return whether to stop.

        The end of a request does not forget its stream.
        """
        if isinstance(event, _OF_REQUESTS) and not self._is_valid(event):
            yield from self._reset(event.stream_id)
            if not isinstance(event, h2.events.DataReceived):
                return False
            # its bytes have to be acknowledged
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.streams:
            yield ReceiveHttp(self.ReceiveEndOfMessage(event.stream_id))
            return False
        return (yield from super().handle_h2_event(event))

    def _is_valid(self, event: h2.events.Event) -> bool:
        """Return whether a request is not malformed so far."""
        match event:
            case h2.events.RequestReceived():
                if not _is_well_formed(event.headers, is_trailer=False):
                    return False
                return self._expect_body(event)
            case h2.events.TrailersReceived():
                return _is_well_formed(event.headers, is_trailer=True)
            case h2.events.DataReceived() if event.stream_id in self._missing:
                self._missing[event.stream_id] -= len(event.data)
                return self._missing[event.stream_id] >= 0
            case h2.events.StreamEnded():
                return not self._missing.pop(event.stream_id, 0)
            case h2.events.StreamReset():
                self._missing.pop(event.stream_id, None)
        return True

    def _expect_body(self, event: h2.events.RequestReceived) -> bool:
        """Note the length of a request's body. Return whether it has at most one, which may be right."""
        lengths = [value for name, value in event.headers if name == b"content-length"]
        if not lengths:
            return True
        if len(lengths) > 1 or not is_valid_length(lengths[0]):
            return False
        if event.stream_ended:
            return int(lengths[0]) == 0
        # a stream that was reset from here has no last event
        self._missing = {s: n for s, n in self._missing.items() if not self.is_closed(s)}
        self._missing[event.stream_id] = int(lengths[0])
        return True

    def _reset(self, stream_id: int) -> CommandGenerator[None]:
        """Reset a stream, and end its turn if it has one. What the stream still sends is dropped."""
        self._missing.pop(stream_id, None)
        if not self.is_closed(stream_id):
            self.h2_conn.reset_stream(stream_id, ErrorCodes.PROTOCOL_ERROR)
        if self.streams.pop(stream_id, None):
            yield ReceiveHttp(
                self.ReceiveProtocolError(stream_id, MALFORMED, ErrorCode.GENERIC_CLIENT_ERROR)
            )


_OF_REQUESTS = (
    h2.events.RequestReceived,
    h2.events.DataReceived,
    h2.events.TrailersReceived,
    h2.events.StreamEnded,
    h2.events.StreamReset,
)


def _is_well_formed(fields: Sequence[tuple[bytes, bytes]], *, is_trailer: bool) -> bool:
    flags = HeaderValidationFlags(
        is_client=False,
        is_trailer=is_trailer,
        is_response_header=False,
        is_push_promise=False,
    )
    try:
        for _ in validate_headers(fields, flags):
            pass
        if not is_trailer:
            parse_h2_request_headers(fields)
    except (ProtocolError, ValueError):
        return False
    return True
