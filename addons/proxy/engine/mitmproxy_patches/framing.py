"""Shorter ways through what mitmproxy asks about the framing of a message: is it valid, and how long is its body?

Both are asked about each message, the second one up to three times, and nearly every message gives one of two answers:
a content-length that is a number, or the transfer coding `chunked`.

Never does: decide about a message with other framing, or refuse one. mitmproxy's own functions do. Invariant: the
results are those of mitmproxy.
"""

from __future__ import annotations

import re

from mitmproxy import http
from mitmproxy.net.http import http1, validate
from mitmproxy.net.http.http1 import read
from mitmproxy.proxy.layers import http as http_layer

from addons.proxy.engine.mitmproxy_patches.messages import folded

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


def validate_headers(message: http.Message) -> None:
    """Raise ValueError for a message whose headers could smuggle another one."""
    if not _is_valid(message):
        _usual_validation(message)


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
