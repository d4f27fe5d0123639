"""Headers, and what of them travels on: the deny-lists of the routes that pass them through.

Never does: add a secret, know a provider. Invariant: no header that carries a credential of the client, frames a
message or belongs to one hop comes out of here, however its name is spelt.

A deny-list and not an allow-list, because Codex sends more than one would list, and newer models break when one of
its headers is missing.
"""

from __future__ import annotations

import re

Headers = tuple[tuple[bytes, bytes], ...]
"""In the sender's order and case."""

CLIENT_CREDENTIALS: frozenset[bytes] = frozenset(
    {
        b"api-key",
        b"authorization",
        b"chatgpt-account-id",
        b"cookie",
        b"proxy-authorization",
        b"sec-websocket-protocol",
        b"x-api-key",
        b"x-codex-shim-token",
        b"x-goog-api-key",
    }
)
"""The request headers that are taken off the client's request before a flow exists. Canonical names.

Sec-WebSocket-Protocol is one: browsers put `openai-insecure-api-key.…` into it.
"""

LABEL = b"<kept by codex-shim>"
"""What stands in a flow where a credential stood. A client that sends it has it taken off like any other value."""

HOP_BY_HOP: frozenset[bytes] = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110, 7.6.1, and what older proxies send."""

_NOT_UPSTREAM = HOP_BY_HOP | CLIENT_CREDENTIALS | {b"accept-encoding", b"content-length", b"host"}
_NOT_DOWNSTREAM = HOP_BY_HOP
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def header(headers: Headers, name: bytes) -> bytes | None:
    """Give the first value of a header (`name` in lower case), or None."""
    return next((value for key, value in headers if key.lower() == name), None)


def canonical(name: bytes) -> bytes:
    """The form in which names are compared. Some servers take `_` for `-`, so we do too."""
    return name.strip().lower().replace(b"_", b"-")


def upstream_headers(headers: Headers) -> Headers:
    """Give what a native upstream gets of the client's request headers, in order and case.

    `accept-encoding` becomes `identity`: closing events of ours cannot be put into a compressed stream.
    """
    return (*_without(headers, _NOT_UPSTREAM), (b"accept-encoding", b"identity"))


def client_headers(headers: Headers) -> Headers:
    """Give what the client gets of an upstream's response headers, in order and case."""
    return _without(headers, _NOT_DOWNSTREAM)


def bad_header(headers: Headers) -> str | None:
    """Name the first header that must not be written to a wire: an odd name, or a control character inside.

    The name comes back in printable form. A tab inside a value is allowed.
    """
    for name, value in headers:
        if not _NAME.fullmatch(name) or _CONTROL.search(value):
            return ascii(name.decode("latin-1"))[1:-1][:80]
    return None


def _without(headers: Headers, denied: frozenset[bytes]) -> Headers:
    dropped = denied | _named_by_connection(headers)
    return tuple((name.strip(), value) for name, value in headers if canonical(name) not in dropped)


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        canonical(token)
        for name, value in headers
        if canonical(name) == b"connection"
        for token in value.split(b",")
    )
