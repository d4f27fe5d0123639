"""Server-sent events: an incremental reader, the borders between events, and which reads bring an event with content.

Servers keep a connection open with comments, with empty events, with events such as Anthropic's `ping`, and with events
of the answer's own form that hold nothing: a chunk without choices, an empty delta, `response.in_progress`. A server that
sends only these answers nothing. `DataEvents` tells them from events of the answer.

Sources: WHATWG HTML, "Server-sent events"; OpenAI API reference, "Responses: streaming events" and "Chat: the chunk
object"; Anthropic, "Streaming Messages". Never raises on any input. The reader never interprets the data, and `DataEvents`
parses neither a text delta nor an event of more than `MAX_PARSED_BYTES`. Invariant: any split of the bytes into reads
gives the same events; each byte is examined a bounded number of times, so a long event that arrives in many reads costs no
more than one that arrives at once. An event counts in the read that ends it; one of an unknown form counts if it holds
anything.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

BOM = b"\xef\xbb\xbf"
BLANK_LINE = b"\n\n"
JOINT_BYTES = 7
"""How much of the begin of an event is looked for with the blank line before it: CPython looks for that alone byte by byte."""
BORDERS = (b"\n\n", b"\n\r\n", b"\r\r", b"\r\r\n")
MAX_BORDER_LENGTH = 3
_BEHIND_LF = b"\x0b"
_CR, _LF = b"\r\n"
"""As numbers: CPython raises and drops an exception where one bytes is looked for in another with `in`. `find` does not."""
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
        if blocks and min(blocks) < _BEHIND_LF:
            # one may begin with a line feed: there were additional blank lines
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


def is_cut(block: bytes) -> bool:
    """Return whether the JSON of a block has a begin and no end."""
    event = parse_block(block)
    data = event.data.strip() if event else b""
    return data.startswith((b"{", b"[")) and not data.endswith((b"}", b"]"))


def parse_block(block: bytes) -> SseEvent | None:
    """Parse the lines of one event; None if it has no data line, because such an event is never dispatched."""
    name, rest = "", block
    if block.startswith(b"event:"):
        line, _, rest = block.partition(b"\n")
        name = line[6:].removeprefix(b" ").decode("utf-8", "replace")
    if rest.startswith(b"data:") and _LF not in rest:
        # nearly every event
        return SseEvent(name, rest[5:].removeprefix(b" "))
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

    __slots__ = ("_blocks", "begun")

    def __init__(self, max_event_bytes: int) -> None:
        self._blocks = BlockReader(max_event_bytes)
        self.begun = False
        """Whether the stream has begun, so that a byte order mark is none any more."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that end in this read."""
        blocks = self._blocks.feed(data)
        if blocks and not self.begun:
            self.begun = True
            blocks[0] = blocks[0].removeprefix(BOM)
        return blocks

    def finish(self) -> list[bytes]:
        """Return the last block if only its blank line is missing: at most one, after the end of the body.

        The standard drops it, but servers that omit the last newline are common. Truncated data is not valid JSON, so
        the caller can detect it.
        """
        rest = self._blocks.pending
        if not self.begun:
            rest = rest.removeprefix(BOM)
        return [rest] if rest else []

    def whole_rest(self) -> list[bytes]:
        """Return what `finish` returns, unless the body ended inside of it."""
        return [block for block in self.finish() if not is_cut(block)]

    @property
    def pending(self) -> bool:
        """Whether the bytes so far end inside an event."""
        return self._blocks.inside

    @property
    def too_large(self) -> bool:
        """Whether an event was dropped, or is being dropped, because it exceeds the limit."""
        return self._blocks.too_large


HEARTBEATS = frozenset({"ping", "pong", "keepalive", "keep-alive", "keep_alive", "heartbeat"})
"""Types and names of events that only keep a connection open. A prefix such as `response.` may precede them."""
STATES = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "codex.rate_limits",
        "message_start",
    }
)
"""Types of events that describe an answer and hold nothing of it."""
LABELS = frozenset({"index", "role", "type"})
"""Fields of a choice or a delta that are no content."""
MAX_HELD_BYTES = 512
MAX_PARSED_BYTES = 16 * 1024
MAX_LEVELS = 6
_LINE_WITH_DATA = b"\ndata:"
_DELTA = b'"delta":'
_TEXT = re.compile(_DELTA + rb'\s*"[^"]')
"""A delta of the Responses API with text. Inside a string its quotes would be escaped."""
_TYPE_FIRST = re.compile(rb'^data:\s*\{\s*"type"\s*:\s*"([^"\\]*)"', re.MULTILINE)
_NAME = re.compile(rb"^event:[ \t]*(\S*)", re.MULTILINE)


class DataEvents:
    """Follows one event stream of an upstream."""

    __slots__ = ("_has_data", "_held", "_is_empty")

    def __init__(self) -> None:
        self._held = b""
        """The begin of the event under way, or the last line of a long one."""
        self._has_data = False
        """Whether the event under way is long and has data."""
        self._is_empty = False
        """Whether the event under way is long and of a type that holds nothing."""

    def feed(self, data: bytes) -> bool:
        """Return whether an event of the answer ends in this read."""
        if _CR in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if self._held:
            data = self._held + data
        elif data.endswith(b"\n\n"):
            # nearly every read: whole events
            return _has_answer(data)
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            self._hold(data)
            return False
        begin = data.find(b"\n\n") + 2 if self._is_empty else 0
        found = self._has_data or _has_answer(data[begin:end])
        self._has_data = self._is_empty = False
        self._held = b""
        if end < len(data):
            self._hold(data[end:])
        return found

    def _hold(self, data: bytes) -> None:
        if len(data) <= MAX_HELD_BYTES:
            self._held = data
            return
        if not self._has_data:
            self._is_empty = self._is_empty or _is_empty(_type_at_start(data[:MAX_HELD_BYTES]))
        self._has_data = not self._is_empty and (self._has_data or _has_data_line(data))
        # the last line may be the begin of `data:`, unless it is long itself
        line = data[max(data.rfind(b"\n"), 0) :]
        self._held = line if len(line) <= MAX_HELD_BYTES else b":"


def _has_data_line(data: bytes) -> bool:
    return data.startswith(b"data:") or data.find(_LINE_WITH_DATA) >= 0


def _has_answer(ended: bytes) -> bool:
    """Return whether one of these whole events holds a part of the answer."""
    if not _has_data_line(ended):
        return False
    if _TEXT.match(ended, max(ended.find(_DELTA), 0)):
        # nearly every read: a part of a text
        return True
    return any(_is_answer(event) for event in ended.split(b"\n\n"))


def _is_answer(event: bytes) -> bool:
    if not _has_data_line(event):
        return False
    if (first := _TYPE_FIRST.search(event)) and b"delta" not in first[1]:
        return not _is_empty(first[1].decode(errors="replace"))
    if len(event) > MAX_PARSED_BYTES:
        return not _is_empty(_type_at_start(event))
    lines = [line.partition(b":") for line in event.split(b"\n")]
    data = b"\n".join(value.strip() for name, _, value in lines if name == b"data").strip()
    return bool(data) and _has_content(data, _type_at_start(event))


def _type_at_start(event: bytes) -> str:
    """Return the type with which the data begins, else the name of the event."""
    found = _TYPE_FIRST.search(event) or _NAME.search(event)
    return found[1].decode(errors="replace") if found else ""


def _is_empty(kind: str) -> bool:
    """Return whether events of this type, or of this name, hold nothing of an answer."""
    return kind in STATES or kind.lower().rpartition(".")[2] in HEARTBEATS


def _has_content(data: bytes, name: str) -> bool:
    """Return whether the data of an event holds a part of the answer."""
    try:
        parsed: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        # text that is not JSON is its own type
        return not _is_empty(data[:MAX_HELD_BYTES].decode(errors="replace").strip("[]"))
    if isinstance(parsed, str):
        return bool(parsed) and not _is_empty(parsed)
    if not isinstance(parsed, dict):
        return _holds(parsed)
    kind = parsed.get("type")
    if _is_empty(kind if isinstance(kind, str) else name):
        return False
    for field in ("choices", "delta"):
        if field in parsed:
            return _holds(parsed[field])
    return bool(parsed)


def _holds(value: object, levels: int = MAX_LEVELS) -> bool:
    """Return whether there is a value in here that is no label. What is nested too deep counts."""
    if not levels:
        return True
    if isinstance(value, dict):
        return any(_holds(each, levels - 1) for name, each in value.items() if name not in LABELS)
    if isinstance(value, list):
        return any(_holds(each, levels - 1) for each in value)
    return value not in (None, "", False)
