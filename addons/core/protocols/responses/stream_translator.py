"""The translator of a stream: joins the reader of an upstream protocol with the emitter, and knows neither's format.

Never reads a clock or makes an id. Invariant: one network read is answered with one buffer.

It also notes what its output quotes of the upstream: nearly all of that output is the product's own, so the mask of echoes
searches these texts in place of the output. Invariant: an echo that stands in one text of the output stands in one of the
quotes, or in the quotes of one read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

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
from addons.core.protocols.translator import EventReader, TextReader
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
MAX_FIRST_EVENTS = 4
"""How many events of a read are read alone."""
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

    __slots__ = ("_items", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        """The texts since the last call of `take`."""
        self._items = 0
        """Complete items that were quoted."""

    def add(self, events: Iterable[Event]) -> None:
        """Note events that were emitted."""
        self._texts += [
            event.text if type(event) is TextDelta else QUOTED.get(type(event), _no_text)(event)
            for event in events
        ]

    def add_texts(self, texts: Iterable[str]) -> None:
        """Note the texts of deltas that were emitted."""
        self._texts += texts

    def take(self, items: Collection[JsonDict]) -> str:
        """Return the texts in what was emitted since the last call. `items`: all that are complete by now."""
        texts, self._texts = self._texts, []
        if len(items) != self._items:
            texts += (orjson.dumps(item).decode() for item in islice(items, self._items, None))
            self._items = len(items)
        return "\n".join(texts)


def _no_text(_event: Event) -> str:
    return ""


class StreamTranslator:
    """Translates upstream bytes into the client's stream. Calls `on_end` with the final response object."""

    __slots__ = ("_emitter", "_on_end", "_quotes", "_reader", "_text_reader")

    def __init__(self, reader: EventReader, emitter: Emitter, on_end: OnEnd) -> None:
        self._reader = reader
        self._emitter = emitter
        self._on_end = on_end
        self._quotes = Quotes()
        # `isinstance` of a protocol takes hundreds of steps
        is_text_reader = hasattr(type(reader), "read_texts")
        self._text_reader = cast("TextReader", reader) if is_text_reader else None

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
        if self._emitter.terminal:
            return b""
        if (reader := self._text_reader) is None:
            return self._emit(self._reader.feed(data))
        texts, rest = reader.read_texts(data)
        if not texts:
            return b"".join(self._feed_parts(reader, data))
        written = self._emit_texts(texts)
        # nearly every read has no rest
        return written + self._emit(reader.feed(rest)) if rest else written

    def _feed_parts(self, reader: TextReader, data: bytes) -> Iterator[bytes]:
        """Translate a read that does not begin with known text. In a long one it mostly follows behind the first events."""
        for _ in range(MAX_FIRST_EVENTS):
            if not (end := reader.first_event(data)):
                break
            yield self._emit(reader.feed(data[:end]))
            if self._emitter.terminal:
                return
            texts, data = reader.read_texts(data[end:])
            if texts:
                yield self._emit_texts(texts)
                break
        if data:
            yield self._emit(reader.feed(data))

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

    def _emit_texts(self, texts: Sequence[str]) -> bytes:
        self._quotes.add_texts(texts)
        return self._emitter.emit_texts(texts)

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
