"""HTTP messages: shorter ways through mitmproxy's headers and framing, and which message ends its connection.

Headers: making them calls two functions for each field, and so does looking one up; a lookup that finds nothing raises and
catches an exception. The fields of a message are checked for their types each time that one is made. Every small turn passes
through all of it about thirty times.

Framing: each message is asked whether it is valid, and up to three times how long its body is. Nearly every one gives one
of two answers: a content-length that is a number, or the transfer coding `chunked`.

Never does: change what a lookup returns or which names it takes, decide about other framing (mitmproxy's own functions do),
or read from a connection. Invariant: `fields` stays the only store of headers, and what is derived from it is used only while
`fields` is the same tuple. Results about framing are those of mitmproxy. A request that RFC 9112 does not allow is not taken
for a client's last one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from mitmproxy import http
from mitmproxy.net.http import http1, validate
from mitmproxy.net.http.http1 import read
from mitmproxy.proxy.layers import http as http_layer

from addons.core.server.admission import are_valid_trailers, is_valid_head

Fields = tuple[tuple[bytes, bytes], ...]
Folded = dict[bytes, bytes]
"""Name in lower case → its values, folded."""

_FOLDED = "_folded_fields"
"""The attribute of headers that holds the fields of the last lookup and what was made of them."""
_NOTHING_FOLDED: tuple[Fields | None, Folded] = (None, {})


def skip_type_checks() -> None:
    """Turn off mitmproxy's type checks of message fields, which take a tenth of a small turn's CPU time.

    The checks also raise and catch exceptions, and each exception keeps its frames alive, a turn's stream among them,
    until the next garbage collection. `python -O` would turn the checks off too, but every assertion as well.
    """

    def unchecked(_: http.MessageData) -> None:
        """Check nothing."""

    if hasattr(http.MessageData, "__post_init__"):
        setattr(http.MessageData, "__post_init__", unchecked)  # noqa: B010  mypy knows of no assignable method


def shorten_headers() -> None:
    """Make headers of fields, look them up and write them in one pass over the fields."""
    methods = {
        "__init__": _init,
        "__bytes__": _bytes,
        "__contains__": _contains,
        "get": _get,
        "get_all": _get_all,
    }
    for name, method in methods.items():
        setattr(http.Headers, name, method)


def _init(
    headers: http.Headers, fields: Iterable[tuple[bytes, bytes]] = (), **named: str | bytes
) -> None:
    pairs: tuple[tuple[Any, Any], ...] = tuple(map(tuple, fields))  # type: ignore[arg-type]
    headers.fields = pairs
    for key, value in pairs:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            msg = "Header fields must be bytes."
            raise TypeError(msg)
    for name, text in named.items():
        headers[name.replace("_", "-")] = text


def _get_all(headers: http.Headers, name: str | bytes) -> list[str]:
    wanted = _lowered(name)
    return [
        value.decode("utf-8", "surrogateescape")
        for field, value in headers.fields
        if field.lower() == wanted
    ]


@lru_cache(256)
def _lowered(name: str | bytes) -> bytes:
    """Return a name in the form of the fields. The callers ask for a few names, over and over."""
    if isinstance(name, bytes):
        return name.lower()
    if not isinstance(name, str):
        msg = f"Expected str or bytes, but got {type(name).__name__}."
        raise TypeError(msg)
    return name.encode("utf-8", "surrogateescape").lower()


def folded(headers: http.Headers) -> Folded:
    """Return the values by name. Made anew when the fields are not those of the last call."""
    fields = headers.fields
    known, values = getattr(headers, _FOLDED, _NOTHING_FOLDED)
    if known is not fields:
        values = {name.lower(): value for name, value in fields}
        if len(values) < len(fields):
            values = _fold_repeated(fields)
        setattr(headers, _FOLDED, (fields, values))
    return values


def _fold_repeated(fields: Fields) -> Folded:
    values: Folded = {}
    for name, value in fields:
        key = name.lower()
        values[key] = b"%b, %b" % (values[key], value) if key in values else value
    return values


def _get[Default](
    headers: http.Headers,
    key: str | bytes,
    default: Default = None,  # type: ignore[assignment]
) -> str | Default:
    value = folded(headers).get(_lowered(key))
    return default if value is None else value.decode("utf-8", "surrogateescape")


def _contains(headers: http.Headers, key: str | bytes) -> bool:
    return _lowered(key) in folded(headers)


def _bytes(headers: http.Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in headers.fields])


_OK = 200
_METHODS_WITH_BODY = frozenset({b"GET", b"POST"})
"""Methods whose successful answers have a body. There are others."""
_TOKENS = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")

_usual_size = read.expected_http_body_size
_usual_validation = validate.validate_headers


def shorten_framing() -> None:
    """Replace mitmproxy's functions wherever it looks them up."""
    for module in (http1, http_layer, read):
        setattr(module, "expected_http_body_size", expected_http_body_size)  # noqa: B010  mypy knows of no such change
    for module in (http_layer, validate):
        setattr(module, "validate_headers", validate_headers)  # noqa: B010  mypy knows of no such change


def expected_http_body_size(
    request: http.Request, response: http.Response | None = None
) -> int | None:
    """Return the length of a body, None for a chunked one, -1 for one that ends with its connection.

    Raises ValueError for invalid framing.
    """
    if response is None:
        fields = folded(request.data.headers)
    elif response.data.status_code == _OK and request.data.method in _METHODS_WITH_BODY:
        fields = folded(response.data.headers)
    else:
        return _usual_size(request, response)
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding == b"chunked":
        return None
    if coding is None and length is not None and _LENGTH.fullmatch(length):
        return int(length)
    return _usual_size(request, response)


def declared_size(request: http.Request) -> int:
    """Return how long the body of a request is by its head, 0 if that does not say it."""
    try:
        return expected_http_body_size(request) or 0
    except ValueError:
        return 0


def validate_headers(message: http.Message) -> None:
    """Raise ValueError for a message whose headers could smuggle another one."""
    if not _is_valid(message):
        _usual_validation(message)


def has_valid_headers(response: http.Response) -> bool:
    """Return whether mitmproxy's checks against response smuggling pass."""
    try:
        validate_headers(response)
    except ValueError:
        return False
    return True


def _is_valid(message: http.Message) -> bool:
    """Return whether a message with usual framing is valid."""
    fields = folded(message.data.headers)
    if not _TOKENS.fullmatch(b"".join(fields)) or b"" in fields:
        return False
    coding, length = fields.get(b"transfer-encoding"), fields.get(b"content-length")
    if coding is None:
        return length is None or _LENGTH.fullmatch(length) is not None
    is_http11 = message.data.http_version == b"HTTP/1.1"
    has_body = not isinstance(message, http.Response) or message.data.status_code == _OK
    return coding == b"chunked" and length is None and is_http11 and has_body


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
    if b"connection" not in folded(message.data.headers):
        # nearly every message names no option
        return False
    options = message.headers.get("connection", "").lower().split(",")
    return "close" in [option.strip() for option in options]


def read_request(head: bytes) -> http.Request:
    """Return the request of a valid head, without a function call for each of its lines. Raises ValueError."""
    line, _, fields = head.partition(b"\r\n")
    headers = headers_of(tuple(_FIELD.findall(fields)))
    method, target, version = line.split()
    if not target.startswith(b"/"):
        request = http1.read_request_head([line])
        request.data.headers = headers
        return request
    data = http.RequestData(
        http_version=version,
        headers=headers,
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
        host="",
        port=0,
        method=method,
        scheme=b"",
        authority=b"",
        path=target,
    )
    return request_of(data)


def headers_of(fields: Fields) -> http.Headers:
    """Return headers of these fields, whose types mitmproxy would look at."""
    headers = http.Headers.__new__(http.Headers)
    headers.fields = fields
    return headers


def request_of(data: http.RequestData) -> http.Request:
    """Return the request of these fields, whose types mitmproxy would look at."""
    request = http.Request.__new__(http.Request)
    request.data = data
    return request


def response_of(data: http.ResponseData) -> http.Response:
    """Return the response of these fields, whose types mitmproxy would look at."""
    response = http.Response.__new__(http.Response)
    response.data = data
    return response


_STATUS_LINE = re.compile(rb"(HTTP/[0-9]\.[0-9]) ([0-9]{3}) ((?:\S[^\r\n]*)?)")


def read_response(head: bytes) -> http.Response:
    """Return the response of a head that ends with a blank line. Raises ValueError for an invalid one.

    One that has another form than nearly all is read by mitmproxy.
    """
    line, _, fields = head.removesuffix(b"\r\n").partition(b"\r\n")
    if not (status := _STATUS_LINE.fullmatch(line)) or not are_valid_trailers(fields):
        lines = [one.removesuffix(b"\r") for one in head.split(b"\n")]
        return http1.read_response_head(lines[:-2])
    data = http.ResponseData(
        http_version=status[1],
        headers=headers_of(tuple(_FIELD.findall(fields))),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
        status_code=int(status[2]),
        reason=status[3],
    )
    return response_of(data)


def request_size(request: http.Request) -> int | None:
    """Return how long the body of a request with a valid head is, or None for chunks. Raises ValueError for 007."""
    fields = folded(request.data.headers)
    if b"transfer-encoding" in fields:
        return None
    length = fields.get(b"content-length")
    return 0 if length is None else validate.parse_content_length(length.decode())


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
