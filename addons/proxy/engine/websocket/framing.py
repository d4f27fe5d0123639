"""The frames of one WebSocket: reads those of a client, and writes those of a server.

`wsproto` reads. A frame for the client is not masked, so it is two to ten bytes and the payload, which is written here:
`wsproto` takes ten times as long for a delta.

Source: RFC 6455, section 5. Never does: keep more of a message than the limit, answer. Invariant: any split of the bytes
into reads gives the same messages; nothing is returned behind an `Ended`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

_FIN_TEXT, _FIN_CLOSE, _FIN_PONG = b"\x81", b"\x88", b"\x8a"
_SHORT, _TWO_BYTES = 126, 1 << 16
MAX_REASON_BYTES = 123
_NO_STATUS = 1005


class CloseCode(IntEnum):
    """Why this side ends a connection (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    NOT_TEXT = 1003
    POLICY = 1008
    TOO_LARGE = 1009
    INTERNAL = 1011


@dataclass(slots=True)
class Text:
    """A whole text message, in UTF-8."""

    data: bytes


@dataclass(slots=True)
class Pinged:
    """A ping, to be answered with its payload."""

    payload: bytes


@dataclass(slots=True)
class Ended:
    """The client closes the connection, or sent what ends it. To be answered with a close frame of this code."""

    code: int
    reason: str = ""


Received = Text | Pinged | Ended


class FrameReader:
    """Reads the frames of one client."""

    __slots__ = ("_connection", "_max_bytes", "_message", "is_ended")

    def __init__(self, max_bytes: int) -> None:
        self._connection = Connection(ConnectionType.SERVER)
        self._max_bytes = max_bytes
        # not a list of parts: a client may send a message in millions of them
        self._message = bytearray()
        self.is_ended = False

    @property
    def is_inside(self) -> bool:
        """Whether a part of a message was read."""
        return bool(self._message)

    def feed(self, data: bytes) -> Iterator[Received]:
        """Return what one read brought."""
        self._connection.receive_data(data)
        for event in self._connection.events():
            found = self._received(event)
            if found is not None:
                yield found
            if self.is_ended:
                return

    def _received(self, event: object) -> Received | None:
        match event:
            case TextMessage():
                return self._add(event)
            case BytesMessage():
                return self._end(CloseCode.NOT_TEXT, "codex-shim reads text frames only")
            case Ping():
                return Pinged(bytes(event.payload))
            case CloseConnection():
                code = CloseCode.NORMAL if event.code == _NO_STATUS else event.code
                return self._end(code)
        return None

    def _add(self, event: TextMessage) -> Received | None:
        self._message += event.data.encode()
        if len(self._message) > self._max_bytes:
            reason = f"a message is larger than {self._max_bytes} bytes (`body_bytes`)"
            return self._end(CloseCode.TOO_LARGE, reason)
        if not event.message_finished:
            return None
        message, self._message = bytes(self._message), bytearray()
        return Text(message)

    def end(self) -> None:
        """Read nothing more, and release the part of a message that was read."""
        self.is_ended = True
        self._message.clear()

    def _end(self, code: int, reason: str = "") -> Ended:
        self.end()
        return Ended(code, reason)


def text_frames(texts: Sequence[bytes]) -> bytes:
    """Return a whole text message for each text, which is UTF-8. A read may bring a thousand of them."""
    if len(texts) == 1:
        return _text_head(len(texts[0])) + texts[0]
    parts = [b""] * (2 * len(texts))
    parts[::2] = map(_text_head, map(len, texts))
    parts[1::2] = texts
    return b"".join(parts)


@lru_cache(8192)
def _text_head(size: int) -> bytes:
    if size < _SHORT:
        return _FIN_TEXT + bytes((size,))
    if size < _TWO_BYTES:
        return _FIN_TEXT + b"\x7e" + size.to_bytes(2, "big")
    return _FIN_TEXT + b"\x7f" + size.to_bytes(8, "big")


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return _FIN_PONG + bytes((len(payload),)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return the frame that ends a connection."""
    payload = code.to_bytes(2, "big") + reason.encode("ascii", "replace")[:MAX_REASON_BYTES]
    return _FIN_CLOSE + bytes((len(payload),)) + payload
