"""Server-sent events: an incremental reader, and the borders between events.

Source: WHATWG HTML, "Server-sent events". Never raises on any input, never interprets the data. Invariant: any split of
the bytes into reads gives the same events; each byte is examined a bounded number of times, so a long event that arrives
in many reads costs no more than one that arrives at once.
"""

from __future__ import annotations

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
BORDERS = (b"\n\n", b"\n\r\n", b"\r\r", b"\r\r\n")
MAX_BORDER_LENGTH = 3
_CR = ord("\r")
HEAD_BYTES = 256
"""How much of an oversized event is kept."""


class Border:
    """Tracks whether the bytes sent so far end between two events."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Note bytes that were sent."""
        if len(data) >= MAX_BORDER_LENGTH:
            self._tail = data[-MAX_BORDER_LENGTH:]
        else:
            self._tail = (self._tail + data)[-MAX_BORDER_LENGTH:]

    @property
    def clean(self) -> bool:
        """Whether an event may be written now: nothing was sent yet, or the last line was blank."""
        return not self._tail or self._tail.endswith(BORDERS)


class SseEvent(NamedTuple):
    """One event. `name` is empty without an `event:` line; `data` is the joined data lines, as bytes."""

    name: str
    data: bytes


class BlockReader:
    """Splits a stream at its blank lines. A block is the lines of one event, joined by LF, without the blank line.

    Of an event of more than `max_event_bytes` only the head is kept, in `oversized`; later events are read normally.
    """

    __slots__ = ("_after_cr", "_head", "_held", "_max", "_size", "oversized", "too_large")

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._held: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._head = b""
        self.oversized: list[bytes] = []
        """The first bytes of each ended event that exceeded the limit. The owner may clear it."""
        self.too_large = False
        """Whether an event was dropped, or is being dropped, because it exceeds the limit."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that end in this read. Additional blank lines give no block."""
        if self._after_cr or _CR in data:
            data = self._with_lf(data)
        if not self._held:
            if data.endswith(b"\n\n"):
                # nearly every read: whole events
                return self._split(data)
            data = data.lstrip(b"\n")
        if not data:
            return []
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            # A blank line may be split between two reads.
            end = int(data[0] == ord("\n") and self._held[-1].endswith(b"\n"))
        if not end:
            self._hold(data)
            return []
        complete = b"".join((*self._held, data[:end]))
        self._held.clear()
        self._size = 0
        blocks = self._split(complete)
        if end < len(data):
            self._hold(data[end:])
        return blocks

    @property
    def pending(self) -> bytes:
        """The lines of an event that has not ended; empty between events."""
        return b"" if self._head else b"".join(self._held)

    @property
    def inside(self) -> bool:
        """Whether the bytes so far end inside an event."""
        return bool(self._held)

    def _with_lf(self, data: bytes) -> bytes:
        if self._after_cr and data:
            # The CR that ended the last read already ended a line.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, data: bytes) -> None:
        if self._head:
            # Only the last byte matters: it may be the first half of a blank line.
            self._held = [data[-1:]]
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > self._max + 1:
            self._head = b"".join(self._held)[:HEAD_BYTES]
            self.too_large = True
            self._held = [data[-1:]]

    def _split(self, data: bytes) -> list[bytes]:
        """Return the blocks of bytes that end with a blank line."""
        blocks = data.split(b"\n\n")
        del blocks[-1]
        if self._head:
            self.oversized.append(self._head)
            self._head = b""
            del blocks[0]
        if b"\n\n\n" in data or data.startswith(b"\n"):
            blocks = [stripped for block in blocks if (stripped := block.lstrip(b"\n"))]
        return blocks if len(data) <= self._max else self._within_limit(blocks)

    def _within_limit(self, blocks: list[bytes]) -> list[bytes]:
        oversized = [block[:HEAD_BYTES] for block in blocks if len(block) > self._max]
        if not oversized:
            return blocks
        self.too_large = True
        self.oversized += oversized
        return [block for block in blocks if len(block) <= self._max]


def _field(line: bytes, name: bytes) -> bytes:
    return line[len(name) :].removeprefix(b":").removeprefix(b" ")


def parse_block(block: bytes) -> SseEvent | None:
    """Parse the lines of one event; None if it has no data line, because such an event is never dispatched."""
    name, rest = b"", block
    if block.startswith(b"event:"):
        line, _, rest = block.partition(b"\n")
        name = line[6:].removeprefix(b" ")
    if rest.startswith(b"data:") and b"\n" not in rest:
        # nearly every event
        return SseEvent(name.decode("utf-8", "replace"), rest[5:].removeprefix(b" "))
    return _parse_lines(block)


def _parse_lines(block: bytes) -> SseEvent | None:
    name, data = b"", []
    for line in block.split(b"\n"):
        if line.startswith(b"data:") or line == b"data":
            data.append(_field(line, b"data"))
        elif line.startswith(b"event:") or line == b"event":
            name = _field(line, b"event")
    if not data:
        return None
    return SseEvent(name.decode("utf-8", "replace"), b"\n".join(data))


class SseReader:
    """Reads bytes into the blocks of events, for `parse_block`. Invalid UTF-8 stays in the data."""

    __slots__ = ("_blocks", "_first")

    def __init__(self, max_event_bytes: int) -> None:
        self._blocks = BlockReader(max_event_bytes)
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that end in this read."""
        blocks = self._blocks.feed(data)
        if self._first and blocks:
            self._first = False
            blocks[0] = blocks[0].removeprefix(BOM)
        return blocks

    def finish(self) -> list[bytes]:
        """Return the last block if only its blank line is missing: at most one, after the end of the body.

        The standard drops it, but servers that omit the last newline are common. Truncated data is not valid JSON, so
        the caller can detect it.
        """
        rest = self._blocks.pending
        if self._first:
            rest = rest.removeprefix(BOM)
        return [rest] if rest else []

    @property
    def pending(self) -> bool:
        """Whether the bytes so far end inside an event."""
        return self._blocks.inside

    @property
    def too_large(self) -> bool:
        """Whether an event was dropped, or is being dropped, because it exceeds the limit."""
        return self._blocks.too_large
