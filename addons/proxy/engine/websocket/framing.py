"""The frames of one WebSocket: reads those of a client, and writes those of a server.

A frame for the client is not masked, so it is two to ten bytes and the payload. `wsproto`, which mitmproxy uses, takes ten
times as long to write a delta, and twice as long to read a small turn.

Source: RFC 6455, section 5. Never does: keep more of a message than the limit, answer. Invariant: any split of the bytes
into reads gives the same messages; nothing is returned behind an `Ended`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from addons.core.protocols.websocket.frames import (
    CLOSE,
    NO_STATUS,
    PING,
    TEXT,
    ClientFrameReader,
    FrameError,
    close_code,
)

_FIN_TEXT, _FIN_CLOSE, _FIN_PONG = b"\x81", b"\x88", b"\x8a"
_SHORT, _TWO_BYTES = 126, 1 << 16
MAX_REASON_BYTES = 123


class CloseCode(IntEnum):
    """Why this side ends a connection (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    NOT_TEXT = 1003
    POLICY = 1008
    TOO_LARGE = 1009
    INTERNAL = 1011


_REASONS: dict[int, str] = {
    CloseCode.NOT_TEXT: "codex-shim reads text frames only",
    CloseCode.TOO_LARGE: "a message is larger than {limit} bytes (`body_bytes`)",
}
"""What is said to a client whose frame cannot be used. A broken protocol needs no words."""


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

    __slots__ = ("_frames", "_max_bytes", "is_ended")

    def __init__(self, max_bytes: int) -> None:
        self._frames = ClientFrameReader(max_bytes)
        self._max_bytes = max_bytes
        self.is_ended = False

    @property
    def is_inside(self) -> bool:
        """Whether a part of a message was read."""
        return self._frames.is_inside

    def whole_text(self, data: bytes) -> bytes | None:
        """Return the text of a read that is one text message. None: `feed` has to read it."""
        return None if self.is_ended else self._frames.whole_text(data)

    def feed(self, data: bytes) -> Iterator[Received]:
        """Return what one read brought."""
        for message in self._frames.feed(data):
            if message.opcode == TEXT:
                yield Text(message.data)
            elif message.opcode == PING:
                yield Pinged(message.data)
            elif message.opcode == CLOSE:
                yield self._closed(message.data)
            if self.is_ended:
                return
        if self._frames.broken:
            yield self._broken(self._frames.broken)

    def end(self) -> None:
        """Read nothing more, and release the part of a message that was read."""
        self.is_ended = True
        self._frames.release()

    def _closed(self, payload: bytes) -> Ended:
        try:
            code = close_code(payload)
        except FrameError as error:
            return self._broken(error)
        self.end()
        return Ended(CloseCode.NORMAL if code == NO_STATUS else code)

    def _broken(self, error: FrameError) -> Ended:
        self.end()
        return Ended(error.code, _REASONS.get(error.code, "").format(limit=self._max_bytes))


def text_frames(texts: Sequence[bytes]) -> bytes:
    """Return a whole text message for each text, which is UTF-8. A read may bring a thousand of them."""
    heads = _HEADS or _known_heads()
    parts = [b""] * (2 * len(texts))
    try:
        if len(texts) == 1:
            return heads[len(texts[0])] + texts[0]
        parts[::2] = [heads[len(text)] for text in texts]
    except IndexError:
        parts[::2] = [_text_head(len(text)) for text in texts]
    parts[1::2] = texts
    return b"".join(parts)


_KNOWN_SIZES = 1024
_HEADS: list[bytes] = []
"""The heads of text frames by the size of the text, for nearly every event. Made for the first frame."""


def _known_heads() -> list[bytes]:
    _HEADS.extend(map(_text_head, range(_KNOWN_SIZES)))
    return _HEADS


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
