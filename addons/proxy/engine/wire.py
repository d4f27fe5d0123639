"""The egress step: a WireRequest becomes the bytes of one attempt. The one place of the engine that reveals secrets.

Never does: touch a flow. Invariant: what would break the request's head (RFC 9112, sections 3 and 5), and a secret
bound to another origin, raise before anything is sent.
"""

from __future__ import annotations

import re
import time

from mitmproxy import http

from addons.core.headers import Headers
from addons.core.turn import WireRequest

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK_OR_CONTROL = re.compile(rb"[\x00-\x20\x7f]")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class UnsafeHeaderError(Exception):
    """A part of a wire request would break its head. Names the part, never its value."""


def http_request(wire: WireRequest) -> http.Request:
    """Make the mitmproxy request that goes to the upstream connection and into no flow.

    Raises UnsafeHeaderError and ForeignOriginError.
    """
    origin = wire.origin
    return http.Request(
        host=origin.host,
        port=origin.port,
        method=_target_part("method", wire.method.encode("ascii")),
        scheme=origin.scheme.encode(),
        authority=b"",
        path=_target_part("path", wire.path.encode("utf-8", "surrogateescape")),
        http_version=b"HTTP/1.1",
        headers=http.Headers(_headers(wire)),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def _headers(wire: WireRequest) -> Headers:
    headers: Headers = (
        (
            b"host",
            wire.origin.authority.encode("idna" if not wire.origin.host.isascii() else "ascii"),
        ),
        *wire.headers,
        *((field.name, field.value_for(wire.origin)) for field in wire.secrets),
    )
    if wire.body or wire.method in _BODY_METHODS:
        headers += ((b"content-length", b"%d" % len(wire.body)),)
    return tuple((name, _checked(name, value)) for name, value in headers)


def _checked(name: bytes, value: bytes) -> bytes:
    if _CONTROL.search(value) or not _NAME.fullmatch(name):
        msg = f"header {name.decode('latin-1')!r} holds a character that no header may hold"
        raise UnsafeHeaderError(msg)
    return value


def _target_part(part: str, value: bytes) -> bytes:
    if _BLANK_OR_CONTROL.search(value) or not value:
        msg = f"the request's {part} is empty or holds a blank or control character"
        raise UnsafeHeaderError(msg)
    return value
