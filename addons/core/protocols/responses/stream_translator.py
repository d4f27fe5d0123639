"""The translator of a stream: joins the reader of an upstream protocol with the emitter, and knows neither's format.

Never reads a clock or makes an id. Invariant: one network read is answered with one buffer.

It also notes what its output quotes of the upstream: nearly all of that output is the product's own, so the mask of echoes
searches these texts in place of the output. Invariant: an echo that stands in one text of the output stands in one of the
quotes, or in the quotes of one read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import orjson

from addons.core.errors import Problem, problem_of
from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.observer import error_code
from addons.core.protocols.translator import EventReader
from addons.core.turn import Fault, FaultKind, StreamSummary
from addons.core.usage import Usage

OnEnd = Callable[[Mapping[str, object]], None]

UPSTREAM_FAULTS = frozenset({FaultKind.CUT, FaultKind.RESET, FaultKind.PROTOCOL, FaultKind.STALL})
"""Faults that can occur after the upstream sent its stop reason."""
NO_END = Problem(
    502,
    "stream_interrupted",
    "The upstream ended its answer without a stop reason, so the answer is incomplete. Send the turn again.",
)
QUOTED: Mapping[type[Event], Callable[[Any], str]] = {
    TextDelta: lambda event: event.text,
    RefusalDelta: lambda event: event.text,
    ReasoningDelta: lambda event: event.text,
    ReasoningDone: lambda event: event.opaque or "",
    Citation: lambda event: f"{event.url}\n{event.title}",
    Omitted: lambda event: f"{event.what}\n{event.note}",
    ToolCallStart: lambda event: f"{event.call_id}\n{event.name}\n{event.namespace}",
    ToolCallDelta: lambda event: event.arguments,
    Failed: lambda event: f"{event.problem.code}\n{event.problem.message}",
}
"""Event → what it quotes of the upstream. The other events hold no text."""


class Quotes:
    """The quotes of one stream.

    The text of a delta is quoted as it is: what is spread over several of them cannot be masked in any, and is found when
    its item is complete, which repeats the whole text.
    """

    __slots__ = ("_events", "_items")

    def __init__(self) -> None:
        self._events: list[Event] = []
        """The events since the last call of `take`."""
        self._items = 0
        """Complete items that were quoted."""

    def add(self, events: Iterable[Event]) -> None:
        """Note events that were emitted."""
        self._events += events

    def take(self, items: Collection[JsonDict]) -> str:
        """Return the texts in what was emitted since the last call. `items`: all that are complete by now."""
        events, self._events = self._events, []
        if len(events) == 1 and type(events[0]) is TextDelta and len(items) == self._items:
            # nearly every read
            return events[0].text
        texts = [
            event.text if type(event) is TextDelta else QUOTED.get(type(event), _no_text)(event)
            for event in events
        ]
        if len(items) == self._items:
            return "\n".join(texts)
        texts += (orjson.dumps(item).decode() for item in islice(items, self._items, None))
        self._items = len(items)
        return "\n".join(texts)


def _no_text(_event: Event) -> str:
    return ""


class StreamTranslator:
    """Translates upstream bytes into the client's stream. Calls `on_end` with the final response object."""

    __slots__ = ("_emitter", "_on_end", "_quotes", "_reader")

    def __init__(self, reader: EventReader, emitter: Emitter, on_end: OnEnd) -> None:
        self._reader = reader
        self._emitter = emitter
        self._on_end = on_end
        self._quotes = Quotes()

    @property
    def terminal(self) -> bool:
        """Whether the client was sent its terminal event."""
        return self._emitter.terminal

    @property
    def awaits_end(self) -> bool:
        """Whether the upstream's answer is complete, and only usage and the end of the body may follow."""
        return self._reader.awaits_end

    def feed(self, data: bytes) -> bytes:
        """Translate one network read."""
        return b"" if self._emitter.terminal else self._emit(self._reader.feed(data))

    def finish(self) -> bytes:
        """Translate the end of the upstream's body: a failure if nothing ended the turn."""
        if self.terminal:
            return b""
        return self._emit((*self._reader.finish(), Failed(NO_END)))

    def fail(self, fault: Fault) -> bytes:
        """End the stream with a failure, unless the upstream had already sent its stop reason."""
        if self.terminal:
            return b""
        if fault.kind in UPSTREAM_FAULTS:
            events = self._reader.finish()
            if any(isinstance(event, Stopped) for event in events):
                return self._emit(events)
        return self._emit((Failed(problem_of(fault)),))

    def summarize(self) -> StreamSummary:
        """Return the result of the stream."""
        return stream_summary(self._emitter.response, self._emitter.usage)

    def take_quotes(self) -> str:
        """Return the texts of the upstream in what was written since the last call."""
        return self._quotes.take(self._emitter.done_items)

    def _emit(self, events: Sequence[Event]) -> bytes:
        emitter = self._emitter
        written = emitter.emit(events)
        self._quotes.add(events)
        if emitter.terminal:
            self._on_end(emitter.response)
        return written


def stream_summary(response: Mapping[str, object], usage: Usage | None) -> StreamSummary:
    """Return the summary of a response object."""
    status, error = response["status"], response["error"]
    terminal = "" if status == "in_progress" else f"response.{status}"
    return StreamSummary(terminal, error_code(error) if isinstance(error, dict) else "", usage)


def emit_document(reader: EventReader, emitter: Emitter, body: bytes) -> Problem | None:
    """Emit an answer that is one document. Returns the problem if it failed, else see `Emitter.response`."""
    events = (*reader.feed(body), *reader.finish(), Failed(NO_END))
    emitter.emit(events)
    error = emitter.response["error"]
    if not isinstance(error, dict):
        return None
    problems = (event.problem for event in events if isinstance(event, Failed))
    # A failure of the emitter itself, such as an incomplete call, is not among the reader's events.
    own = Problem(502, error["code"], error["message"], "server_error")
    return next((problem for problem in problems if problem.message == own.message), own)
