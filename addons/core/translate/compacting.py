"""An upstream's summary as the answer to a request for compaction: exactly one compaction item, streamed or whole.

Source: `compaction_trigger` as Codex 0.169 sends it (a stream whose one item is the compaction) and the unary answer
of `/responses/compact` as Codex 0.133 takes it. Never does: ask for the summary, which `compaction` does. Invariant:
a summary that is not whole never becomes an item, since everything before it would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from addons.core.errors import Problem, problem_of, sse_event
from addons.core.translate.compaction import compaction_item
from addons.core.translate.dialect import EventReader
from addons.core.translate.emitter import Emitter
from addons.core.translate.events import Event, Failed, Stopped, StopReason, TextDelta, UsageSeen
from addons.core.translate.stream import NO_END, OF_THE_UPSTREAM, report_of
from addons.core.turn import Fault, Report
from addons.core.usage import Usage

Json = dict[str, object]
OPENED = 2
"""How many events `Emitter.open` writes."""


class Summary:
    """Collects what the upstream says until it has said all of it."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._texts: list[str] = []
        self.usage: Usage | None = None
        self.outcome: str | Problem | None = None
        """The whole summary, or why there is none; None while the upstream still speaks."""

    def take(self, events: Iterable[Event]) -> None:
        """Take note of these events. What follows the end means nothing."""
        for event in events:
            if self.outcome is not None:
                return
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
            elif isinstance(event, UsageSeen):
                self.usage = event.usage
            elif isinstance(event, Stopped):
                self.outcome = self._ended(event.reason)
            elif isinstance(event, Failed):
                self.outcome = event.problem

    def _ended(self, reason: StopReason) -> str | Problem:
        text = "".join(self._texts).strip()
        if text and reason is StopReason.END:
            return text
        why = "reached its output limit" if reason is StopReason.LENGTH else "wrote no summary"
        return Problem(
            502,
            "invalid_prompt",
            f"{self._model} could not compact the conversation: it {why}. Nothing was lost. Allow it more output "
            "tokens, or switch to another model and try again.",
            "compaction_failed",
        )


class CompactionTranslator:
    """Upstream bytes → a stream whose one item is the compaction. `seed` makes the item's id."""

    def __init__(
        self,
        reader: EventReader,
        emitter: Emitter,
        seed: str,
        ended: Callable[[Mapping[str, object]], None],
    ) -> None:
        self._reader = reader
        self._emitter = emitter
        self._summary = Summary(str(emitter.response["model"]))
        self._item_id = f"cmp_{seed}"
        self._ended = ended
        self._done = False

    @property
    def terminal(self) -> bool:
        """Whether the client has been given its terminal event."""
        return self._done

    def feed(self, data: bytes) -> bytes:
        """Read on; the client is given nothing until the summary is whole."""
        return b"" if self._done else self._take(self._reader.feed(data))

    def finish(self) -> bytes:
        """The upstream ended its body."""
        return b"" if self._done else self._take((*self._reader.finish(), Failed(NO_END)))

    def fail(self, fault: Fault) -> bytes:
        """End the stream; a summary that was whole already is given."""
        if self._done:
            return b""
        events: list[Event] = []
        if fault.kind in OF_THE_UPSTREAM:
            # The fault says better what happened than a reader that only sees its bytes end.
            events += [one for one in self._reader.finish() if not isinstance(one, Failed)]
        return self._take((*events, Failed(problem_of(fault))))

    def report(self) -> Report:
        """What the stream came to."""
        done = {"status": "completed"} if isinstance(self._summary.outcome, str) else {}
        return report_of({**self._emitter.response, **done}, self._summary.usage)

    def _take(self, events: Iterable[Event]) -> bytes:
        self._summary.take(events)
        outcome = self._summary.outcome
        if outcome is None:
            return b""
        self._done = True
        opening = self._emitter.open()
        if isinstance(outcome, Problem):
            written = self._emitter.fail(outcome)
            self._ended(self._emitter.response)
            return opening + written
        return opening + self._completed(compaction_item(outcome, self._item_id))

    def _completed(self, item: Json) -> bytes:
        usage = self._summary.usage.wire() if self._summary.usage else None
        response = {
            **self._emitter.response,
            "status": "completed",
            "output": [item],
            "usage": usage,
        }
        self._ended(response)
        place = {"output_index": 0, "item": item}
        events: tuple[tuple[str, Json], ...] = (
            ("response.output_item.added", place),
            ("response.output_item.done", place),
            ("response.completed", {"response": response}),
        )
        return b"".join(
            sse_event(name, {"type": name, "sequence_number": OPENED + number, **fields})
            for number, (name, fields) in enumerate(events)
        )


def whole_summary(
    reader: EventReader, model: str, body: bytes
) -> tuple[str | Problem, Usage | None]:
    """Read a whole answer as a summary; with it, what the summary cost."""
    summary = Summary(model)
    summary.take((*reader.feed(body), *reader.finish(), Failed(NO_END)))
    return summary.outcome or NO_END, summary.usage
