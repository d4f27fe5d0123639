"""The framing of one answer to a client, and where the engine may add bytes of its own.

Never does: write. Invariant: the engine writes bytes of its own only into a 200 `text/event-stream` answer without content-encoding and
only between two events; such an answer has no `content-length`. An empty chunk is never written: in HTTP/1 it ends the
body.
"""

from __future__ import annotations

import time

from mitmproxy import http
from mitmproxy.net.http import status_codes

from addons.core.headers import Headers, media_type
from addons.core.protocols.sse import Border
from addons.core.turn import Head, Reply

HEARTBEAT = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
FRAMING = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
BODILESS = frozenset({204, 304})
SWITCHING_PROTOCOLS = 101
_SWITCH = ((b"upgrade", b"websocket"), (b"connection", b"Upgrade"))


def http_response(reply: Reply, *, close: bool = False) -> http.Response:
    """Return the mitmproxy response of a whole local answer. Framing headers of the reply are replaced."""
    headers = _without(FRAMING | {b"content-length"}, reply.head.headers)
    if reply.head.status == SWITCHING_PROTOCOLS:
        return _response(SWITCHING_PROTOCOLS, _SWITCH + headers, b"")
    if reply.head.status not in BODILESS:
        headers += ((b"content-length", b"%d" % len(reply.body)),)
    if close:
        headers += ((b"connection", b"close"),)
    return _response(reply.head.status, headers, reply.body)


def _without(names: frozenset[bytes], headers: Headers) -> Headers:
    return tuple(field for field in headers if field[0].lower() not in names)


def _response(status: int, headers: Headers, content: bytes | None) -> http.Response:
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=status,
        reason=status_codes.RESPONSES.get(status, "").encode(),
        headers=http.Headers(headers),
        content=content,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def is_encoded(head: Head) -> bool:
    """Return whether plain bytes in this body would break it."""
    return (head.header(b"content-encoding") or b"identity").lower() != b"identity"


def _unknown_length(request: http.Request) -> Headers:
    if request.is_http2:
        return ()
    if request.http_version == "HTTP/1.0":
        return ((b"connection", b"close"),)
    return ((b"transfer-encoding", b"chunked"),)


def _data_line(data: bytes, line_begins: bool) -> int:  # noqa: FBT001  a fact about the bytes before
    """Return where the first data line begins, or -1."""
    return 0 if line_begins and data.startswith(b"data:") else data.find(b"\ndata:")


class ClientFraming:
    """The framing of one streamed answer, and what was sent of it so far."""

    __slots__ = ("_has_data", "_line_begins", "border", "is_sse", "takes_closing")

    def __init__(self) -> None:
        self.is_sse = False
        """Whether the engine may put events of its own between the events of this answer."""
        self.takes_closing = False
        """Whether what the translator adds at a clean end may be written."""
        self.border = Border()
        self._line_begins = True
        self._has_data = False
        """Whether a data line of the event under way was sent."""

    def open(self, head: Head, request: http.Request) -> http.Response:
        """Return the head of a streamed answer, framed for this client."""
        bodiless = head.status in BODILESS or request.method == "HEAD"
        is_plain = not is_encoded(head)
        is_events = media_type(head.headers) == b"text/event-stream"
        self.is_sse = is_events and is_plain and head.status == status_codes.OK and not bodiless
        headers: list[tuple[bytes, bytes]] = []
        has_length = False
        for field in head.headers:
            name = field[0].lower()
            if name == b"content-length":
                if self.is_sse:
                    continue
                has_length = True
            if name not in FRAMING:
                headers.append(field)
        self.takes_closing = is_plain and not (has_length or bodiless)
        if not (has_length or bodiless):
            headers += _unknown_length(request)
        response = _response(head.status, tuple(headers), None)
        response.stream = True
        return response

    def completes_data_event(self, data: bytes) -> bool:
        """Note bytes for the client. Return whether they end an event with a data line: clients dispatch only these.

        May return False wrongly (a field name cut in two, a lone CR): one more heartbeat does no harm. Never returns
        True for comments or for event, id and retry lines alone: a missing heartbeat would do harm.
        """
        if not self.is_sse:
            return False
        at = 0 if self._has_data else _data_line(data, self._line_begins)
        self.border.feed(data)
        if at >= 0 and data.endswith(b"\n\n"):
            # nearly every write: whole events
            self._line_begins, self._has_data = True, False
            return True
        self._line_begins = data.endswith((b"\n", b"\r"))
        if at < 0:
            return False
        end = max(data.rfind(b"\n\n", at), data.rfind(b"\n\r\n", at))
        ended = end >= 0 or self.border.clean
        after = max(end, 0)
        self._has_data = not self.border.clean and (not ended or b"\ndata:" in data[after:])
        return ended

    @property
    def accepts_heartbeat(self) -> bool:
        """Whether the engine may write an event of its own now."""
        return self.is_sse and self.border.clean

    def separator(self) -> bytes:
        """Return what precedes a closing event: a blank line if the stream broke off inside an event."""
        return b"" if self.border.clean else b"\n\n"
