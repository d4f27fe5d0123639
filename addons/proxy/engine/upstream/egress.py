"""The egress step: an `UpstreamRequest` becomes the mitmproxy request of one attempt. Only here are secrets revealed.

Never does: touch a flow. Invariant: what would break the request's head (RFC 9112, sections 3 and 5), and a secret
bound to another origin, raise before anything is sent.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace

from mitmproxy import http

from addons.core.headers import Headers, bad_name
from addons.core.protocols.responses.websocket_upstream import upgrade_headers
from addons.core.turn import UpstreamRequest

_BLANK_OR_CONTROL = re.compile(rb"[\x00-\x20\x7f]")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class UnsafeHeaderError(Exception):
    """A part of an upstream request would break its head. Names the part, never its value."""


def http_request(request: UpstreamRequest) -> http.Request:
    """Return the mitmproxy request that goes to the upstream connection and into no flow.

    Raises UnsafeHeaderError and ForeignOriginError.
    """
    origin = request.origin
    return http.Request(
        host=origin.host,
        port=origin.port,
        method=_target_part("method", request.method.encode("ascii")),
        scheme=origin.scheme.encode(),
        authority=b"",
        path=_target_part("path", request.path.encode("utf-8", "surrogateescape")),
        http_version=b"HTTP/1.1",
        headers=http.Headers(_headers(request)),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def upgrade_request(request: UpstreamRequest) -> http.Request:
    """Return the request of the upgrade to the WebSocket that this request goes over. Raises as `http_request` does."""
    headers = upgrade_headers(request.headers)
    return http_request(replace(request, method="GET", headers=headers, body=b""))


def credential_digest(request: UpstreamRequest) -> bytes:
    """Return a digest of the secrets of a request, which never leaves this process. Empty without a secret."""
    if not (request.secrets or request.body_secrets):
        return b""
    digest = hashlib.sha256()
    for field in request.secrets:
        digest.update(b"%b\0%b\0" % (field.name.lower(), field.prefix))
        digest.update(field.secret.digest)
    for secret in request.body_secrets:
        digest.update(b"\0" + secret.digest)
    return digest.digest()


def _headers(request: UpstreamRequest) -> Headers:
    origin = request.origin
    coding = "ascii" if origin.host.isascii() else "idna"
    headers = [
        (b"host", origin.authority.encode(coding)),
        *request.headers,
        *[(field.name, field.value_for(origin)) for field in request.secrets],
    ]
    if request.body or request.method in _BODY_METHODS:
        headers.append((b"content-length", b"%d" % len(request.body)))
    if (bad := bad_name(headers)) is not None:
        msg = f"header {bad.decode('latin-1')!r} holds a character that no header may hold"
        raise UnsafeHeaderError(msg)
    return tuple(headers)


def _target_part(part: str, value: bytes) -> bytes:
    if _BLANK_OR_CONTROL.search(value) or not value:
        msg = f"the request's {part} is empty or holds a blank or control character"
        raise UnsafeHeaderError(msg)
    return value
