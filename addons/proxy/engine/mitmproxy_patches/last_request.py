"""Which request of an HTTP/1 client is its last one, and which message ends its connection.

Never does: read from a connection. Invariant: a request that RFC 9112 does not allow is not taken for a last one.
"""

from __future__ import annotations

import re

from mitmproxy import http
from mitmproxy.net.http import http1, validate

from addons.core.server.request_framing import is_valid_head

HEAD_END = re.compile(rb"\n\r?\n")
STRICT_END = b"\n\r\n"
_FIELD = re.compile(rb"(?m)^([^:\r\n]++):[ \t]*+((?:[^ \t\r\n]++|[ \t]++(?!\r))*+)[ \t]*+\r\n")
"""A field line of a valid head. Never goes back: blanks within a value would take quadratic time."""
LAST_CHUNK = b"0\r\n\r\n"
BLANK_LINES = re.compile(rb"(?:\r\n)+")

MAX_AHEAD = 128
"""Requests that a client may send ahead. They are answered without a pause in which other clients could be."""


def says_close(message: http.Message) -> bool:
    """Return whether a message ends its connection. mitmproxy compares the option `close` in lower case only."""
    options = message.headers.get("connection", "").lower().split(",")
    return "close" in [option.strip() for option in options]


def read_request(head: bytes) -> http.Request:
    """Return the request of a valid head, without a function call for each of its lines. Raises ValueError."""
    line, _, fields = head.partition(b"\r\n")
    request = http1.read_request_head([line])
    request.data.headers.fields = tuple(_FIELD.findall(fields))
    return request


def request_size(request: http.Request) -> int | None:
    """Return how long the body of a request with a valid head is, or None for chunks. Raises ValueError for 007."""
    size = 0
    for name, value in request.data.headers.fields:
        match name.lower():
            case b"content-length":
                size = validate.parse_content_length(value.decode())
            case b"transfer-encoding":
                return None
    return size


def is_last_request(request: http.Request) -> bool:
    """Return whether a client has announced that it sends no other request over its connection."""
    options = request.headers.get("connection", "").lower()
    return says_close(request) or (request.is_http10 and "keep-alive" not in options)


def ends_with_last_request(data: bytes) -> bool:
    """Return whether these bytes are whole requests, of which the last announces that no other follows.

    Of more than `MAX_AHEAD` requests only the first ones are looked at.
    """
    at = 0
    for _ in range(MAX_AHEAD):
        if blank := BLANK_LINES.match(data, at):
            at = blank.end()
        end = HEAD_END.search(data, at)
        if not end or end[0] != STRICT_END or not is_valid_head(data[at : end.start() + 1]):
            return False
        try:
            request = http1.read_request_head(data[at : end.start()].split(b"\r\n"))
            size = http1.expected_http_body_size(request)
        except ValueError:
            return False
        at = end.end()
        if size is None:
            # its chunks are not read before its turn
            return is_last_request(request) and data.endswith(LAST_CHUNK, at)
        if is_last_request(request):
            return len(data) - at >= size
        at += size
    return False
