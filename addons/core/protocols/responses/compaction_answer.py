"""Turns an upstream's summary into the answer to a request for compaction: exactly one compaction item.

Source: `compaction_trigger` as Codex 0.169 sends it (the answer is a stream with one item) and the unary answer of
`/responses/compact` as Codex 0.133 accepts it. The request for the summary is written by `compaction`. Invariant: an
incomplete summary never becomes an item, because the turns that it replaces would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from addons.core.errors import INVALID_PROMPT, Problem, problem_of, sse_event
from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    UsageSeen,
)
from addons.core.protocols.responses.compaction import compaction_item
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stream_translator import (
    NO_END,
    UPSTREAM_FAULTS,
    OnEnd,
    stream_summary,
)
from addons.core.protocols.translator import EventReader
from addons.core.turn import Fault, StreamSummary
from addons.core.usage import Usage

OPENING_EVENTS = 2
"""How many events `Emitter.open` writes."""


class SummaryCollector:
    """Collects the text of an answer until the answer ends."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._texts: list[str] = []
        self.usage: Usage | None = None
        self.result: str | Problem | None = None
        """The complete summary, or the problem; None before the end."""

    def add(self, events: Iterable[Event]) -> None:
        """Add events. Events after the end are ignored."""
        for event in events:
            if self.result is not None:
                return
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
            elif isinstance(event, UsageSeen):
                self.usage = event.usage
            elif isinstance(event, Stopped):
                self.result = self._result_for(event.reason)
            elif isinstance(event, Failed):
                self.result = event.problem

    def _result_for(self, reason: StopReason) -> str | Problem:
        text = "".join(self._texts).strip()
        if text and reason is StopReason.END:
            return text
        why = "reached its output limit" if reason is StopReason.LENGTH else "wrote no summary"
        return Problem(
            502,
            INVALID_PROMPT,
            f"{self._model} could not compact the conversation: it {why}. The conversation is unchanged. Allow the "
            "model more output tokens, or switch to another model and try again.",
            "compaction_failed",
        )


class CompactionTranslator:
    """Translates upstream bytes into a stream whose only item is the compaction. `seed` is part of the item's id."""

    def __init__(
        self,
        reader: EventReader,
        emitter: Emitter,
        seed: str,
        on_end: OnEnd,
    ) -> None:
        self._reader = reader
        self._emitter = emitter
        self._summary = SummaryCollector(str(emitter.response["model"]))
        self._item_id = f"cmp_{seed}"
        self._on_end = on_end
        self._done = False

    @property
    def terminal(self) -> bool:
        """Whether the client was sent its terminal event."""
        return self._done

    @property
    def awaits_end(self) -> bool:
        """Whether the upstream's answer is complete, and only usage and the end of the body may follow."""
        return self._reader.awaits_end

    def feed(self, data: bytes) -> bytes:
        """Read one network read; return nothing until the summary is complete."""
        return b"" if self._done else self._translate(self._reader.feed(data))

    def finish(self) -> bytes:
        """Return the bytes that end the stream after the upstream ended its body."""
        return b"" if self._done else self._translate((*self._reader.finish(), Failed(NO_END)))

    def fail(self, fault: Fault) -> bytes:
        """End the stream, with the summary if it is complete."""
        if self._done:
            return b""
        events: list[Event] = []
        if fault.kind in UPSTREAM_FAULTS:
            # The fault describes the failure better than a reader that only sees the end of its bytes.
            events += [one for one in self._reader.finish() if not isinstance(one, Failed)]
        return self._translate((*events, Failed(problem_of(fault))))

    def summarize(self) -> StreamSummary:
        """Return the result of the stream."""
        done = {"status": "completed"} if isinstance(self._summary.result, str) else {}
        return stream_summary({**self._emitter.response, **done}, self._summary.usage)

    def _translate(self, events: Iterable[Event]) -> bytes:
        self._summary.add(events)
        result = self._summary.result
        if result is None:
            return b""
        self._done = True
        opening = self._emitter.open()
        if isinstance(result, Problem):
            written = self._emitter.fail(result)
            self._on_end(self._emitter.response)
            return opening + written
        return opening + self._completed(compaction_item(result, self._item_id))

    def _completed(self, item: JsonDict) -> bytes:
        usage = self._summary.usage.to_response() if self._summary.usage else None
        response = {
            **self._emitter.response,
            "status": "completed",
            "output": [item],
            "usage": usage,
        }
        self._on_end(response)
        added = {"output_index": 0, "item": item}
        events: tuple[tuple[str, JsonDict], ...] = (
            ("response.output_item.added", added),
            ("response.output_item.done", added),
            ("response.completed", {"response": response}),
        )
        return b"".join(
            sse_event(name, {"type": name, "sequence_number": OPENING_EVENTS + number, **fields})
            for number, (name, fields) in enumerate(events)
        )


def read_summary(
    reader: EventReader, model: str, body: bytes
) -> tuple[str | Problem, Usage | None]:
    """Read an answer that is one document as a summary; return it with its usage."""
    summary = SummaryCollector(model)
    summary.add((*reader.feed(body), *reader.finish(), Failed(NO_END)))
    return summary.result or NO_END, summary.usage
