"""The opening handshake of a WebSocket, as a client does it.

Source: RFC 6455, sections 4.1 and 1.3. Never does: send a request, read a status. Invariant: an answer is accepted only
if it proves that the server read the key of this request, and agrees on nothing that was not offered.
"""

from __future__ import annotations

import base64
import hashlib

from addons.core.headers import Headers
from addons.core.protocols.websocket.deflate import OFFER, Agreement, agreement_of

KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HandshakeError(Exception):
    """The answer is none to this handshake."""


def key_of(entropy: bytes) -> bytes:
    """Return the `sec-websocket-key` that is made of `KEY_BYTES` random bytes."""
    return base64.b64encode(entropy)


def accept_of(key: bytes) -> bytes:
    """Return the `sec-websocket-accept` that belongs to a key."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324  what RFC 6455 asks for


def upgrade_fields(key: bytes) -> Headers:
    """Return the header fields that ask for a WebSocket with compression."""
    return (
        (b"connection", b"Upgrade"),
        (b"upgrade", b"websocket"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", key),
        (b"sec-websocket-extensions", OFFER),
    )


def accepted(headers: Headers, key: bytes) -> Agreement | None:
    """Return what the head of a 101 agreed on about compression; None without any. Raises HandshakeError."""
    tokens = [token.strip() for token in _joined(headers, b"connection").lower().split(",")]
    is_answer = (
        _joined(headers, b"upgrade").lower() == "websocket"
        and "upgrade" in tokens
        and _joined(headers, b"sec-websocket-accept").encode("latin-1") == accept_of(key)
        and not _joined(headers, b"sec-websocket-protocol")
    )
    if not is_answer:
        raise HandshakeError
    try:
        return agreement_of(_joined(headers, b"sec-websocket-extensions"))
    except ValueError:
        raise HandshakeError from None


def _joined(headers: Headers, name: bytes) -> str:
    return ", ".join(value.decode("latin-1") for key, value in headers if key.lower() == name)
