"""Compression of the messages of a WebSocket: permessage-deflate with context takeover.

Each request of a thread repeats its tools, so the second frame costs a fraction of the first. Compressing blocks the
event loop: the larger a message, the less is done.

Source: RFC 7692. Never does: decompress more than the limit of a message. Invariant: a message refers to nothing that
the peer's window does not hold, however the messages before it were sent.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from addons.core.limits import KIB, MIB
from addons.core.protocols.websocket.frames import INVALID_DATA, TOO_LARGE, FrameError

OFFER = b"permessage-deflate; client_max_window_bits"
LEVEL, FAST_LEVEL = 6, 1
FAST_FROM = 256 * KIB
"""A larger message is compressed at `FAST_LEVEL`."""
PLAIN_FROM = 2 * MIB
"""A larger message is not compressed."""

_MAX_BITS, _MIN_BITS = 15, 9
_UNUSABLE_BITS = 8
"""RFC 7692 allows it, and zlib does not compress for it."""
_TAIL = b"\x00\x00\xff\xff"
_SWITCHES = frozenset({"client_no_context_takeover", "server_no_context_takeover"})
_NUMBERS = frozenset({"client_max_window_bits", "server_max_window_bits"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on."""

    client_takeover: bool = True
    server_takeover: bool = True
    client_bits: int = _MAX_BITS
    """The window for what the client compresses."""


def agreement_of(answer: str) -> Agreement | None:
    """Return what a `sec-websocket-extensions` in the answer to `OFFER` means; None without compression.

    Raises ValueError for an answer to something else: the client has to fail the connection (RFC 7692, 7.1).
    """
    if not answer.strip():
        return None
    name, *parameters = (part.strip() for part in answer.split(";"))
    values: dict[str, str] = {}
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        known = key in _SWITCHES if not value else key in _NUMBERS and _are_bits(value.strip('"'))
        if not known or key in values:
            raise ValueError(name)
        values[key] = value.strip('"')
    if name != "permessage-deflate":
        raise ValueError(name)
    return Agreement(
        "client_no_context_takeover" not in values,
        "server_no_context_takeover" not in values,
        int(values.get("client_max_window_bits", _MAX_BITS)),
    )


def _are_bits(value: str) -> bool:
    return value.isdecimal() and _UNUSABLE_BITS <= int(value) <= _MAX_BITS


class Inflater:
    """Decompresses what a server sends."""

    __slots__ = ("_stream", "_takeover")

    def __init__(self, agreement: Agreement) -> None:
        self._takeover = agreement.server_takeover
        # the largest window reads what was compressed for any other
        self._stream = zlib.decompressobj(-_MAX_BITS)

    def message(self, payload: bytes, limit: int) -> bytes:
        """Return a whole message of at most `limit` bytes. Raises FrameError."""
        try:
            data = self._stream.decompress(payload + _TAIL, limit + 1)
        except zlib.error:
            raise FrameError(INVALID_DATA, "a message that cannot be decompressed") from None
        if len(data) > limit or self._stream.unconsumed_tail:
            raise FrameError(TOO_LARGE, "a message over the limit once decompressed")
        if not self._takeover or self._stream.eof:
            self._stream = zlib.decompressobj(-_MAX_BITS)
        return data


class Deflater:
    """Compresses what the client sends."""

    __slots__ = ("_bits", "_stream", "_takeover")

    def __init__(self, agreement: Agreement) -> None:
        self._bits = agreement.client_bits
        self._takeover = agreement.client_takeover
        self._stream: zlib._Compress | None = None

    def message(self, data: bytes) -> bytes | None:
        """Return the payload of a compressed frame, or None if the message goes as it is."""
        if self._bits < _MIN_BITS or len(data) > PLAIN_FROM:
            return None
        if len(data) > FAST_FROM:
            # it refers to itself alone, and puts what came before it out of reach
            self._stream = None
            return _flushed(self._new(FAST_LEVEL), data)
        stream = self._stream or self._new(LEVEL)
        self._stream = stream if self._takeover else None
        return _flushed(stream, data)

    def _new(self, level: int) -> zlib._Compress:
        return zlib.compressobj(level, zlib.DEFLATED, -self._bits)


def _flushed(stream: zlib._Compress, data: bytes) -> bytes:
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL)
