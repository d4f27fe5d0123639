"""The Responses API's own shapes, and the watcher of a native stream.

Source: OpenAI API reference, "Responses: streaming events". The watcher changes no byte: it gives the very object
that it was given. Invariant: it parses no delta, and nothing follows a terminal event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from addons.core.errors import failed_event, problem_of
from addons.core.record import shown
from addons.core.turn import Fault, FaultKind, Head, Report
from addons.core.usage import Usage
from addons.core.values import integer, obj
from addons.core.wire.sse import BlockReader, parse_block

CREATED = b"response.created"
RATE_LIMITS = b"codex.rate_limits"
# Codex knows three. After an `error` event the API sends nothing more, and SDKs raise: adding to it would hide it.
TERMINAL = frozenset({b"response.completed", b"response.failed", b"response.incomplete", b"error"})
WATCHED = TERMINAL | {CREATED, RATE_LIMITS}

EVENT_LINE = b"event: "
SEQUENCE_NUMBER = b'"sequence_number":'
TYPE_FIRST = re.compile(rb'data: ?\{ ?"type": ?"([^"]*)"')


def _parsed(block: bytes) -> Mapping[str, object]:
    event = parse_block(block)
    try:
        return obj(orjson.loads(event.data)) if event else {}
    except orjson.JSONDecodeError:
        return {}


def _is_whole(block: bytes) -> bool:
    # Clients skip an event whose data is no JSON: a truncated one ends nothing. Parsing megabytes would be dear.
    event = parse_block(block)
    return event is not None and event.data.rstrip().endswith(b"}")


def event_type(block: bytes) -> bytes:
    """Give the type of the event in a block, from its head if the head tells; empty if it has none."""
    if block.startswith(EVENT_LINE):
        end = block.find(b"\n")
        return block[len(EVENT_LINE) : end] if end > 0 else b""
    if first := TYPE_FIRST.match(block):
        return first[1]
    kind = _parsed(block).get("type")
    return kind.encode() if isinstance(kind, str) else b""


class Watcher:
    """Watches a native Responses stream on its way: its terminal event, usage, rate limits and identity.

    An event of more than `event_bytes` passes like any other, but is not looked into. What was seen is parsed only
    when it is asked for.
    """

    __slots__ = ("_blocks", "_created", "_last", "_rate_limits", "_terminal", "_terminal_type")

    def __init__(self, event_bytes: int) -> None:
        self._blocks = BlockReader(event_bytes)
        self._created = b""
        self._rate_limits = b""
        self._terminal = b""
        self._terminal_type = b""
        self._last = b""

    def feed(self, data: bytes) -> bytes:
        """Look at one read; give it back as it is."""
        for block in self._blocks.feed(data):
            kind = event_type(block)
            if kind in WATCHED:
                self._note(kind, block)
            elif SEQUENCE_NUMBER in block:
                self._last = block
        if self._blocks.over_long:
            self._note_heads()
        return data

    def _note(self, kind: bytes, block: bytes) -> None:
        if kind == RATE_LIMITS:
            self._rate_limits = block
        elif kind == CREATED:
            self._created = self._last = block
        elif not self._terminal and _is_whole(block):
            self._terminal, self._terminal_type = block, kind

    def _note_heads(self) -> None:
        for head in self._blocks.over_long:
            kind = event_type(head)
            if kind in TERMINAL and not self._terminal:
                self._terminal, self._terminal_type = head, kind
        self._blocks.over_long.clear()

    def finish(self) -> bytes:
        """The upstream ended its body: give nothing after a terminal event, else `response.failed`."""
        return self.fail(Fault(FaultKind.CUT, "its body ended without a terminal event"))

    def fail(self, fault: Fault) -> bytes:
        """Give the closing `response.failed` in the announced response's name, or nothing after a terminal event.

        A terminal event that lacks only its blank line is given that.
        """
        if self._terminal:
            return b""
        if self._ended_by(self._blocks.pending):
            return b"\n\n"
        event = failed_event(
            problem_of(fault),
            response=self.response,
            sequence_number=self.sequence_number + 1,
        )
        self._terminal_type, self._terminal = b"response.failed", event.rstrip(b"\n")
        return event

    def _ended_by(self, rest: bytes) -> bool:
        kind = event_type(rest)
        if kind in TERMINAL and _parsed(rest):
            self._note(kind, rest.rstrip(b"\n"))
        return self.terminal

    @property
    def terminal(self) -> bool:
        """Whether a terminal event passed or was given."""
        return bool(self._terminal)

    @property
    def terminal_type(self) -> str:
        """The type of the terminal event; empty before it."""
        return self._terminal_type.decode("utf-8", "replace")

    @property
    def response(self) -> Mapping[str, object]:
        """The response object that `response.created` announced; empty before it."""
        return obj(_parsed(self._created).get("response"))

    @property
    def response_id(self) -> str | None:
        """The id of the announced response."""
        value = self.response.get("id")
        return value if isinstance(value, str) else None

    @property
    def sequence_number(self) -> int:
        """The number of the last event seen before a terminal one; -1 if it had none."""
        number = integer(_parsed(self._last).get("sequence_number"))
        return -1 if number is None else number

    @property
    def usage(self) -> Usage | None:
        """What the terminal event says the turn used."""
        return Usage.of(obj(_parsed(self._terminal).get("response")).get("usage"))

    @property
    def rate_limits(self) -> Mapping[str, object] | None:
        """The last `codex.rate_limits` event, as it came."""
        return _parsed(self._rate_limits) or None

    def report(self) -> Report:
        """What the stream came to."""
        last = _parsed(self._terminal)
        response = obj(last.get("response"))
        error = obj(response.get("error")) or obj(last.get("error")) or last
        return Report(
            self.terminal_type,
            code_of(error),
            Usage.of(response.get("usage")),
            self.rate_limits,
        )


def code_of(error: Mapping[str, object]) -> str:
    """The code of an error object, else its type; empty when it has neither."""
    code = error.get("code") or error.get("type")
    return shown(code) if isinstance(code, str) and not code.startswith("response.") else ""


def whole_report(head: Head, body: bytes) -> Report:
    """What an answer came to that is at hand as a whole: an event stream, or JSON of any status."""
    if (head.header(b"content-type") or b"").startswith(b"text/event-stream"):
        watcher = Watcher(len(body) + 1)
        watcher.feed(body)
        return watcher.report()
    try:
        answer = obj(orjson.loads(body))
    except orjson.JSONDecodeError:
        return Report()
    error = answer.get("error")
    known = error if isinstance(error, dict) else {}
    return Report(error=code_of(known), usage=Usage.of(answer.get("usage")))
