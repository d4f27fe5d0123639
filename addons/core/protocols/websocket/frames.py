"""Frames of a WebSocket: read as a client and as a server reads them, and written as a client writes them.

One read may bring many frames, and a frame may come in many reads. Messages that came before an error are returned.
Source: RFC 6455, sections 5 to 7. Never does: answer a frame, hold more than `limit` bytes of a message. Invariant: a
text message is valid UTF-8; after a close frame or an error nothing more is read.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, Protocol

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, PROTOCOL_ERROR, UNSUPPORTED, INVALID_DATA, TOO_LARGE = 1000, 1002, 1003, 1007, 1009
"""Codes of close frames (RFC 6455, 7.4.1)."""

CODE_BYTES = 2
NO_STATUS = 1005
"""What a close frame without a code means. It is never sent."""

_OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_FIN, _RSV1, _RSV23, _OPCODE, _MASKED, _SIZE = 0x80, 0x40, 0x30, 0x0F, 0x80, 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_SMALL = 125
"""The most bytes that a control frame holds, and that a frame needs no longer head for."""
_WORD = 4
_WHOLE_TEXT = _FIN | TEXT
_LONG_HEAD = 4
_SHORT_PAYLOAD = 1024
"""Up to here one operation on a large integer masks faster than four on bytes."""
_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_FIRST_FREE_CODE = 3000


class FrameError(Exception):
    """The peer broke the protocol. `code` is that of the close frame to send; the text quotes nothing."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Message(NamedTuple):
    """A whole text or binary message, or a control frame."""

    opcode: int
    data: bytes


class Inflates(Protocol):
    """Decompresses the messages of one peer."""

    def message(self, payload: bytes, limit: int) -> bytes:
        """Return a whole message of at most `limit` bytes. Raises FrameError."""


class FrameReader:
    """Reads the frames of a server. `limit` bounds each message, as received and as decompressed."""

    __slots__ = ("_buffer", "_inflater", "_is_deflated", "_limit", "_opcode", "_parts", "broken")
    _mask_bit = 0
    """What the second byte of each frame has to hold of `_MASKED`."""
    _key_bytes = 0

    def __init__(self, limit: int, inflater: Inflates | None = None) -> None:
        self._limit = limit
        self._inflater = inflater
        self._buffer = bytearray()
        self._opcode = CONTINUATION
        """That of the message under way; CONTINUATION when there is none."""
        self._is_deflated = False
        self._parts = bytearray()
        self.broken: FrameError | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete with this read. `broken` is set if the rest cannot be read."""
        source: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            source = self._buffer
        found: list[Message] = []
        at = 0
        try:
            while self.broken is None:
                if not self._opcode:
                    at = self._take_plain(source, at, found)
                if (bounds := self._measure(source, at)) is None:
                    break
                begin, end = bounds
                self._receive(source[at], self._payload(source, begin, end), found)
                at = end
        except FrameError as error:
            self.broken = error
        if source is self._buffer:
            del self._buffer[:at]
        else:
            self._buffer += data[at:]
        return found

    def _measure(self, source: bytes | bytearray, at: int) -> tuple[int, int] | None:
        """Return where the payload of the next frame begins and ends, or None if the frame is not complete."""
        begin, there = at + 2, len(source)
        if begin > there or (found := _size(source, at)) is None:
            return None
        size, begin = found
        if source[at + 1] & _MASKED != self._mask_bit:
            raise FrameError(PROTOCOL_ERROR, "a frame that is masked, or is not, against the rule")
        self._check_first(source[at], size)
        if size + len(self._parts) > self._limit:
            raise FrameError(TOO_LARGE, "a message over the limit")
        begin += self._key_bytes
        end = begin + size
        if end <= there:
            return begin, end
        if begin < there:
            # what no message can hold is not waited for
            self._check_order(source[at] & _OPCODE)
        return None

    def _check_order(self, opcode: int) -> None:
        if opcode < CLOSE and (opcode == CONTINUATION) != bool(self._opcode):
            raise FrameError(PROTOCOL_ERROR, "a fragment out of order")

    def _check_first(self, first: int, size: int) -> None:
        opcode = first & _OPCODE
        if opcode not in _OPCODES or first & _RSV23:
            raise FrameError(PROTOCOL_ERROR, "an unknown kind of frame")
        if opcode >= CLOSE and (size > _SMALL or first & (_FIN | _RSV1) != _FIN):
            raise FrameError(PROTOCOL_ERROR, "an invalid control frame")

    def _payload(self, source: bytes | bytearray, begin: int, end: int) -> bytes:
        """Return the payload of a whole frame."""
        return bytes(source[begin:end])

    def _take_plain(self, source: bytes | bytearray, at: int, found: list[Message]) -> int:
        """Take the plain text messages from here on, and return where the first other frame begins.

        Nearly every frame is one: not compressed, not fragmented, less than 64 KB of ASCII.
        """
        there = len(source)
        while at + _LONG_HEAD <= there and source[at] == _WHOLE_TEXT:
            size, begin = source[at + 1], at + 2
            if size == _TWO_BYTES:
                size, begin = source[at + 2] << 8 | source[at + 3], at + _LONG_HEAD
                if size < _TWO_BYTES:
                    break
            elif size > _TWO_BYTES:
                break
            end = begin + size
            if end > there or not (payload := bytes(source[begin:end])).isascii():
                break
            found.append(Message(TEXT, payload))
            at = end
        return at

    def _receive(self, first: int, payload: bytes, found: list[Message]) -> None:
        opcode = first & _OPCODE
        if opcode >= CLOSE:
            found.append(Message(opcode, payload))
            if opcode == CLOSE:
                self.broken = FrameError(NORMAL, "a close frame")
            return
        self._check_order(opcode)
        if opcode:
            self._opcode, self._is_deflated = opcode, bool(first & _RSV1)
            if self._is_deflated and self._inflater is None:
                raise FrameError(PROTOCOL_ERROR, "a compressed frame that was not agreed on")
        elif first & _RSV1:
            raise FrameError(PROTOCOL_ERROR, "a reserved bit")
        if not first & _FIN:
            self._parts += payload
            return
        if self._parts:
            payload = bytes(self._parts + payload)
            self._parts.clear()
        found.append(self._whole(payload))
        self._opcode = CONTINUATION

    def _whole(self, payload: bytes) -> Message:
        if self._is_deflated and self._inflater:
            payload = self._inflater.message(payload, self._limit)
        return Message(self._opcode, _text(payload) if self._opcode == TEXT else payload)


def _text(payload: bytes) -> bytes:
    """Return the payload of a text message. Raises FrameError if it is no text."""
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise FrameError(INVALID_DATA, "text that is not UTF-8") from None
    return payload


def _size(source: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Return the size of a frame's payload and where it begins, or None if its head is not complete."""
    size, begin = source[at + 1] & _SIZE, at + 2
    if size <= _SMALL:
        return size, begin
    end, least = (begin + 2, _TWO_BYTES) if size == _TWO_BYTES else (begin + 8, 1 << 16)
    if end > len(source):
        return None
    size = int.from_bytes(source[begin:end])
    if size < least:
        raise FrameError(PROTOCOL_ERROR, "a head that is longer than its size needs")
    return size, end


class ClientFrameReader(FrameReader):
    """Reads the frames of a client, which are masked. It takes no binary message: one ends at its first frame."""

    __slots__ = ()
    _mask_bit = _MASKED
    _key_bytes = _WORD

    @property
    def is_inside(self) -> bool:
        """Whether a part of a message, or of a frame, was read."""
        return bool(self._buffer or self._parts or self._opcode)

    def whole_text(self, data: bytes) -> bytes | None:
        """Return the text of a read that is one plain text message, as nearly every one is. None: `feed` has to read it."""
        if self.broken or self.is_inside:
            return None
        found: list[Message] = []
        try:
            end = self._take_plain(data, 0, found)
        except FrameError:
            return None
        return found[0].data if len(found) == 1 and end == len(data) else None

    def release(self) -> None:
        """Forget the part of a message that was read."""
        self._buffer.clear()
        self._parts.clear()
        self._opcode = CONTINUATION

    def _check_first(self, first: int, size: int) -> None:
        if first & _OPCODE == BINARY:
            raise FrameError(UNSUPPORTED, "a binary message")
        super()._check_first(first, size)

    def _payload(self, source: bytes | bytearray, begin: int, end: int) -> bytes:
        return masked(source[begin:end], source[begin - _WORD : begin])

    def _take_plain(self, source: bytes | bytearray, at: int, found: list[Message]) -> int:
        """Take the whole text messages of less than 64 KB from here on. Nearly every read of a client brings one."""
        there = len(source)
        while at + _LONG_HEAD + _WORD <= there and source[at] == _WHOLE_TEXT:
            size, begin = source[at + 1] - _MASKED, at + 2 + _WORD
            if size == _TWO_BYTES:
                size, begin = source[at + 2] << 8 | source[at + 3], begin + 2
                if size < _TWO_BYTES:
                    break
            elif not 0 <= size <= _SMALL:
                break
            end = begin + size
            if end > there or size > self._limit:
                break
            found.append(Message(TEXT, _text(self._payload(source, begin, end))))
            at = end
        return at


def client_frame(opcode: int, payload: bytes, key: bytes, *, is_deflated: bool = False) -> bytes:
    """Return one whole masked frame. `key`: four bytes that nobody can predict (RFC 6455, 5.3)."""
    first, size = _FIN | (_RSV1 if is_deflated else 0) | opcode, len(payload)
    if size <= _SMALL:
        head = bytes((first, _MASKED | size))
    elif size < 1 << 16:
        head = bytes((first, _MASKED | _TWO_BYTES)) + size.to_bytes(2)
    else:
        head = bytes((first, _MASKED | _EIGHT_BYTES)) + size.to_bytes(8)
    return head + key + masked(payload, key)


def close_payload(code: int) -> bytes:
    """Return the payload of a close frame without a reason."""
    return code.to_bytes(CODE_BYTES)


def close_code(payload: bytes) -> int:
    """Return the code of a close frame, `NO_STATUS` if it has none. Raises FrameError for a payload that has no meaning."""
    if not payload:
        return NO_STATUS
    code = int.from_bytes(payload[:CODE_BYTES])
    is_free = code >= _FIRST_FREE_CODE
    if len(payload) < CODE_BYTES or not (is_free or code in _CODES):
        raise FrameError(PROTOCOL_ERROR, "a close frame with an invalid code")
    try:
        payload[CODE_BYTES:].decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_DATA, "a close frame whose reason is not UTF-8") from None
    return code


def masked(payload: bytes | bytearray, key: bytes | bytearray) -> bytes:
    """Return the payload under this key of four bytes. Applied twice, it is the payload again."""
    size = len(payload)
    if size <= _SHORT_PAYLOAD:
        keys = (key * (size // _WORD + 1))[:size]
        return (int.from_bytes(payload) ^ int.from_bytes(keys)).to_bytes(size)
    result = bytearray(size)
    for at in range(_WORD):
        result[at::_WORD] = payload[at::_WORD].translate(_table(key[at]))
    return bytes(result)


@cache
def _table(value: int) -> bytes:
    return bytes(byte ^ value for byte in range(256))
