"""Which reads of an event stream bring an event of the answer: one with content.

Servers keep a connection open with comments, with empty events, with events such as Anthropic's `ping`, and with events
of the answer's own form that hold nothing: a chunk without choices, an empty delta, `response.in_progress`. A server that
sends only these answers nothing.

Sources: OpenAI API reference, "Responses: streaming events" and "Chat: the chunk object"; Anthropic, "Streaming
Messages". Never does: parse a text delta, or an event of more than `MAX_PARSED_BYTES`. Invariant: an event counts in the
read that ends it; an event of an unknown form counts if it holds anything.
"""

from __future__ import annotations

import re

import orjson

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
_CR = ord("\r")
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
    return data.startswith(b"data:") or _LINE_WITH_DATA in data


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
