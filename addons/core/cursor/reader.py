"""Reads the output of a cursor-agent child: lines of stream-json → canonical events.

Source: cursor-agent of August 2026, print mode with partial output. Never turns a call that Cursor ran itself into a
Codex tool call, which would run it twice. Never emits an error as text. Never lets Cursor and Codex act in one turn:
where Codex's tools act, a Cursor tool that acts fails the turn, and the first Cursor tool after a Codex call ends it.
Invariant: any bytes in any split give the same events and no exception. A turn ends once: by its result, by one of
these two rules, or by the control line of the runner.

The child repeats its text. An `assistant` event with `timestamp_ms` and without `model_call_id` is a delta; any other
repeats the segment before a tool call, the last segment, or the whole answer. Deltas are never compared with anything:
`1, 10, 100, ha, ha` are five deltas. Each delta is emitted exactly once; a segment without deltas is emitted once from
its repetition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar

import orjson

from addons.core.cursor.error_patterns import (
    after_action,
    failure,
    foreign_credential,
    is_error_as_answer,
    no_answer,
    unexpected_action,
)
from addons.core.cursor.lines import LineSplitter, event_line, read_control
from addons.core.cursor.progress import Step, read_step
from addons.core.cursor.tool_reader import CallReader
from addons.core.errors import Problem
from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    ReasoningDone,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallStart,
    UsageSeen,
)
from addons.core.usage import Usage

LOGIN = "login"
BILLED = frozenset({"assistant", "thinking", "tool_call"})
"""Events that cost something. None may come before the `init` event has named the login."""


class AssistantText:
    """The text of one answer by segments, without the repetitions."""

    def __init__(self) -> None:
        self._current: list[str] = []
        self._segments: list[str] = []
        self._flushed: set[str] = set()
        self._streams = False
        """Whether any delta came. After one, a text without deltas may be a repetition."""
        self._high_surrogate = ""

    @property
    def is_present(self) -> bool:
        """Whether any text has come."""
        return bool(self._current or self._segments)

    def take_new(self, event: JsonObject) -> str:
        """Return the new text of one `assistant` event."""
        text, call = message_text(event), event.get("model_call_id")
        if call is None and event.get("timestamp_ms") is not None:
            self._streams = True
            return self._add(self._join_deltas(text))
        if isinstance(call, str):
            if call in self._flushed:
                return ""
            self._flushed.add(call)
        new = "" if self._current or (self._streams and self._is_repeat(text)) else self._add(text)
        if isinstance(call, str):
            self.end_segment()
        return new

    def end_segment(self) -> None:
        """End the current segment, because a tool call begins."""
        segment, self._current, self._high_surrogate = "".join(self._current), [], ""
        if segment:
            self._segments.append(segment)

    def _add(self, text: str) -> str:
        if text:
            self._current.append(text)
        return text

    def _is_repeat(self, text: str) -> bool:
        """Return whether `text` repeats earlier segments. Only called while the current segment is empty."""
        segments = self._segments
        joined = {glue.join(segments) for glue in ("", "\n", "\n\n")}
        return bool(segments) and text in {segments[-1], *joined}

    def _join_deltas(self, text: str) -> str:
        """Join a character that was split into two deltas: each half is a lone surrogate."""
        text, self._high_surrogate = self._high_surrogate + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._high_surrogate = text[:-1], text[-1]
        return join_surrogates(text)


class CursorReader:
    """Reads one turn. `calls` is set when Codex's tools act; `notes` are emitted first, as reasoning."""

    awaits_end = False
    """cursor-agent ends its output itself."""

    def __init__(self, calls: CallReader | None = None, notes: Iterable[str] = ()) -> None:
        self._lines = LineSplitter()
        self._notes = list(notes)
        self._text_so_far = AssistantText()
        self._calls = calls
        self._steps: dict[str, Step] = {}
        self._latest = ""
        self._ended = False
        self._is_login = False
        """Whether the `init` event has named the login as the credential."""
        self.acted = False
        """Whether Cursor has begun a call that may change something."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events of one read."""
        events: list[Event] = []
        for line in self._lines.feed(data):
            events += self._line(line)
        return events

    def finish(self) -> list[Event]:
        """Return the events at the end of the stream. A stream without an end of its own is reported as a cut."""
        events = [event for line in self._lines.finish() for event in self._line(line)]
        return [*events, *self._cut()]

    def _line(self, line: bytes) -> list[Event]:
        if self._ended:
            return []
        if problem := read_control(line):
            return list(self._fail(problem))
        if not line.strip():
            return list(self._pending_notes())
        event = parse_event(line)
        kind = str(event.get("type")) if event else ""
        step = self._KINDS.get(kind)
        if event is None or step is None:
            return []
        if kind in BILLED and not self._is_login:
            return list(self._fail(foreign_credential("")))
        return [*self._pending_notes(), *self._until_the_end(step(self, event))]

    def _until_the_end(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event
            if self._ended:
                return

    def _pending_notes(self) -> Iterator[Event]:
        while self._notes:
            yield ReasoningDelta(f"codex-shim: {self._notes.pop(0)}")
            yield ReasoningDone()

    def _system(self, event: JsonObject) -> Iterator[Event]:
        if event.get("subtype") != "init":
            return
        self._is_login = event.get("apiKeySource") == LOGIN
        if not self._is_login:
            yield from self._fail(foreign_credential(str(event.get("apiKeySource") or "")))

    def _user(self, event: JsonObject) -> Iterator[Event]:  # noqa: ARG002
        """Drop the event: it repeats the prompt."""
        yield from ()

    def _thinking(self, event: JsonObject) -> Iterator[Event]:
        text = event.get("text")
        if event.get("subtype") == "completed":
            yield ReasoningDone()
        elif isinstance(text, str) and text:
            yield ReasoningDelta(join_surrogates(text))

    def _assistant(self, event: JsonObject) -> Iterator[Event]:
        is_delta = event.get("timestamp_ms") is not None and event.get("model_call_id") is None
        yield from self._text(self._text_so_far.take_new(event))
        if not is_delta:
            yield from self._segment_ends()

    def _text(self, text: str) -> Iterator[Event]:
        if not text:
            return
        if self._calls:
            yield from self._exclusive(self._calls.feed(text))
        else:
            yield TextDelta(text)

    def _segment_ends(self) -> Iterator[Event]:
        if self._calls:
            yield from self._exclusive(self._calls.finish())
        yield TextDone()

    def _exclusive(self, events: Iterator[Event]) -> Iterator[Event]:
        """Fail the turn instead of emitting a call while a Cursor tool may be acting."""
        for event in events:
            running = self._running_action if isinstance(event, ToolCallStart) else None
            yield from self._fail(unexpected_action(running.summary)) if running else (event,)

    @property
    def _running_action(self) -> Step | None:
        return next((step for step in self._steps.values() if step.acts), None)

    def _tool_call(self, event: JsonObject) -> Iterator[Event]:
        call_id, step = str(event.get("call_id")), read_step(event)
        if not step.outcome:
            self._text_so_far.end_segment()
            yield from self._segment_ends()
            if self._calls and self._calls.calls:
                yield from self._stop(StopReason.TOOL_CALLS)
            yield ReasoningDone()
            yield ReasoningDelta(f"**{step.summary}**")
            self._steps[call_id], self._latest = step, call_id
            self.acted = self.acted or (step.acts and not self._calls)
            return
        started = self._steps.pop(call_id, None)
        if self._calls and step.acts and step.ran:
            yield from self._fail(unexpected_action(step.summary))
            return
        self.acted = self.acted or (step.acts and step.ran)
        summary = started.summary if started else step.summary
        if started is None or self._latest != call_id:
            yield ReasoningDone()
            yield ReasoningDelta(f"**{summary}**")
        yield ReasoningDelta(f" → {step.outcome}")
        yield ReasoningDone()
        self._latest = ""

    def _result(self, event: JsonObject) -> Iterator[Event]:
        if usage := usage_of(event.get("usage")):
            yield UsageSeen(usage)
        result = event.get("result")
        text = result if isinstance(result, str) else ""
        succeeded = event.get("is_error") is False and event.get("subtype", "success") == "success"
        if not succeeded or is_error_as_answer(text):
            error = event.get("error")
            detail = error if isinstance(error, str) else json.dumps(error) if error else ""
            yield from self._fail(failure(text or detail, "Cursor could not finish this turn"))
            return
        if not self._is_login:
            yield from self._fail(foreign_credential(""))
            return
        if not self._text_so_far.is_present:
            yield from self._text(join_surrogates(text))
        yield from self._segment_ends()
        if not (self._text_so_far.is_present or text or self._steps or self.acted):
            yield from self._fail(no_answer())
            return
        if self._calls and (running := self._running_action):
            yield from self._fail(unexpected_action(running.summary))
            return
        called = self._calls is not None and self._calls.calls
        yield from self._stop(StopReason.TOOL_CALLS if called else StopReason.END)

    def _stop(self, reason: StopReason) -> Iterator[Event]:
        self._ended = True
        yield Stopped(reason)

    def _cut(self) -> Iterator[Event]:
        if not self._ended:
            yield from self._fail(no_answer())

    def _fail(self, problem: Problem) -> Iterator[Event]:
        self._ended = True
        yield Failed(after_action(problem) if self.acted else problem)

    _KINDS: ClassVar[Mapping[str, Callable[[CursorReader, JsonObject], Iterator[Event]]]] = {
        "system": _system,
        "user": _user,
        "thinking": _thinking,
        "assistant": _assistant,
        "tool_call": _tool_call,
        "result": _result,
    }


def message_text(event: JsonObject) -> str:
    """Return the text of an event's message."""
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def join_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined and lone surrogates replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_event(line: bytes) -> JsonObject | None:
    """Return the object of a line. Invalid UTF-8 and lone surrogates are replaced rather than rejected."""
    plain = event_line(line)
    if plain is None:
        return None
    try:
        event = orjson.loads(plain)
    except orjson.JSONDecodeError:
        try:
            event = json.loads(plain.decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            return None
    return event if isinstance(event, dict) else None


def usage_of(value: object) -> Usage | None:
    """Return the usage as Responses counts it: Cursor's input tokens do not include cached ones."""
    if not isinstance(value, dict):
        return None
    counts = [_count(value.get(key)) for key in ("inputTokens", "outputTokens")]
    if None in counts:
        return None
    uncached, output = (count or 0 for count in counts)
    cached = _count(value.get("cacheReadTokens")) or 0
    tokens_in = uncached + cached + (_count(value.get("cacheWriteTokens")) or 0)
    return Usage(tokens_in, cached, output, 0, tokens_in + output)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
