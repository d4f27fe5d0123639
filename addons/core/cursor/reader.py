"""Reads what a cursor-agent child writes: lines of stream-json → canonical events.

Source: cursor-agent of August 2026, print mode with partial output. Never makes a Codex tool call of a call that
Cursor ran itself: it would run twice. Never gives an error as text. Never lets both act in one turn: where Codex's tools
act, a tool of Cursor's that acts fails the turn, and the first tool of Cursor's after a call of Codex's ends it. Invariant:
any bytes, cut into any reads, give the same events and no exception; a turn ends once, by its result, by one of these
two, or by the control line of the origin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import orjson

from addons.core.cursor.lines import LineSplitter, event_line, read_control
from addons.core.cursor.progress import Step, step_of
from addons.core.cursor.speech import Speech, whole
from addons.core.cursor.tool_reader import CallReader
from addons.core.cursor.words import acted, failure, no_answer, own_key, ran_by_itself
from addons.core.errors import Problem
from addons.core.translate.events import (
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

Json = Mapping[str, Any]
LOGIN = "login"
BILLED = frozenset({"assistant", "thinking", "tool_call"})
"""Events that cost something: before the first event has named the login there must be none."""


class CursorReader:
    """Reads one turn. `calls` is there when Codex's tools act; `notes` are told first, as reasoning."""

    def __init__(self, calls: CallReader | None = None, notes: Iterable[str] = ()) -> None:
        self._lines = LineSplitter()
        self._notes = list(notes)
        self._speech = Speech()
        self._calls = calls
        self._steps: dict[str, Step] = {}
        self._latest = ""
        self._ended = False
        self._is_login = False
        """The first event has said that the login pays."""
        self.acted = False
        """Whether Cursor has begun to do what may change something."""

    def feed(self, data: bytes) -> list[Event]:
        """What one read means."""
        events: list[Event] = []
        for line in self._lines.feed(data):
            events += self._line(line)
        return events

    def finish(self) -> list[Event]:
        """Nothing more comes. The origin ends each turn by a line of its own, so this is a bug, told as a cut."""
        events = [event for line in self._lines.finish() for event in self._line(line)]
        return [*events, *self._cut()]

    def _line(self, line: bytes) -> list[Event]:
        if self._ended:
            return []
        if problem := read_control(line):
            return list(self._fail(problem))
        if not line.strip():
            return list(self._told())
        event = parse_event(line)
        kind = str(event.get("type")) if event else ""
        step = self._KINDS.get(kind)
        if event is None or step is None:
            return []
        if kind in BILLED and not self._is_login:
            return list(self._fail(own_key("")))
        return [*self._told(), *self._until_the_end(step(self, event))]

    def _until_the_end(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event
            if self._ended:
                return

    def _told(self) -> Iterator[Event]:
        while self._notes:
            yield ReasoningDelta(f"codex-shim: {self._notes.pop(0)}")
            yield ReasoningDone()

    def _system(self, event: Json) -> Iterator[Event]:
        if event.get("subtype") != "init":
            return
        self._is_login = event.get("apiKeySource") == LOGIN
        if not self._is_login:
            yield from self._fail(own_key(str(event.get("apiKeySource") or "")))

    def _user(self, event: Json) -> Iterator[Event]:  # noqa: ARG002
        """The prompt once more: dropped."""
        yield from ()

    def _thinking(self, event: Json) -> Iterator[Event]:
        text = event.get("text")
        if event.get("subtype") == "completed":
            yield ReasoningDone()
        elif isinstance(text, str) and text:
            yield ReasoningDelta(whole(text))

    def _assistant(self, event: Json) -> Iterator[Event]:
        is_delta = event.get("timestamp_ms") is not None and event.get("model_call_id") is None
        yield from self._text(self._speech.take(event))
        if not is_delta:
            yield from self._segment_ends()

    def _text(self, text: str) -> Iterator[Event]:
        if not text:
            return
        if self._calls:
            yield from self._alone(self._calls.feed(text))
        else:
            yield TextDelta(text)

    def _segment_ends(self) -> Iterator[Event]:
        if self._calls:
            yield from self._alone(self._calls.finish())
        yield TextDone()

    def _alone(self, events: Iterator[Event]) -> Iterator[Event]:
        """No call is given while a tool of Cursor's may be acting."""
        for event in events:
            running = self._acting if isinstance(event, ToolCallStart) else None
            yield from self._fail(ran_by_itself(running.words)) if running else (event,)

    @property
    def _acting(self) -> Step | None:
        return next((step for step in self._steps.values() if step.acts), None)

    def _tool_call(self, event: Json) -> Iterator[Event]:
        call_id, step = str(event.get("call_id")), step_of(event)
        if not step.outcome:
            self._speech.border()
            yield from self._segment_ends()
            if self._calls and self._calls.calls:
                yield from self._stop(StopReason.TOOL_CALLS)
            yield ReasoningDone()
            yield ReasoningDelta(f"**{step.words}**")
            self._steps[call_id], self._latest = step, call_id
            self.acted = self.acted or (step.acts and not self._calls)
            return
        begun = self._steps.pop(call_id, None)
        if self._calls and step.acts and step.happened:
            yield from self._fail(ran_by_itself(step.words))
            return
        self.acted = self.acted or (step.acts and step.happened)
        words = begun.words if begun else step.words
        if begun is None or self._latest != call_id:
            yield ReasoningDone()
            yield ReasoningDelta(f"**{words}**")
        yield ReasoningDelta(f" → {step.outcome}")
        yield ReasoningDone()
        self._latest = ""

    def _result(self, event: Json) -> Iterator[Event]:
        if usage := usage_of(event.get("usage")):
            yield UsageSeen(usage)
        told = event.get("result")
        text = told if isinstance(told, str) else ""
        if event.get("is_error") is not False or event.get("subtype", "success") != "success":
            error = event.get("error")
            words = text or (
                error if isinstance(error, str) else json.dumps(error) if error else ""
            )
            yield from self._fail(failure(words, "Cursor could not finish this turn"))
            return
        if not self._is_login:
            yield from self._fail(own_key(""))
            return
        if not self._speech.said:
            yield from self._text(whole(text))
        yield from self._segment_ends()
        if not (self._speech.said or text or self._steps or self.acted):
            yield from self._fail(no_answer())
            return
        if self._calls and (running := self._acting):
            yield from self._fail(ran_by_itself(running.words))
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
        yield Failed(acted(problem) if self.acted else problem)

    _KINDS: ClassVar[Mapping[str, Callable[[CursorReader, Json], Iterator[Event]]]] = {
        "system": _system,
        "user": _user,
        "thinking": _thinking,
        "assistant": _assistant,
        "tool_call": _tool_call,
        "result": _result,
    }


def parse_event(line: bytes) -> Json | None:
    """The object of a line. What is not quite JSON (bad UTF-8, half a surrogate) is read as well as can be."""
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
    """Tokens as Responses counts them: Cursor's input leaves out what was cached."""
    if not isinstance(value, dict):
        return None
    counts = [_count(value.get(key)) for key in ("inputTokens", "outputTokens")]
    if None in counts:
        return None
    given, output = (count or 0 for count in counts)
    cached = _count(value.get("cacheReadTokens")) or 0
    tokens_in = given + cached + (_count(value.get("cacheWriteTokens")) or 0)
    return Usage(tokens_in, cached, output, 0, tokens_in + output)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
