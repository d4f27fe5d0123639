"""The answer to a request for compaction: exactly one item, and only of a complete summary."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from addons.core.errors import Problem
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    Stopped,
    StopReason,
    TextDelta,
    UsageSeen,
)
from addons.core.protocols.responses.compaction import read_compaction
from addons.core.protocols.responses.compaction_answer import CompactionTranslator, read_summary
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.turn import Fault, FaultKind
from addons.core.usage import Usage
from tests.conformance import parse

STOP = Stopped(StopReason.END)
CUT = Fault(FaultKind.CUT, "the connection ended")
USAGE = UsageSeen(Usage(10, 4, 3, 0, 13))


@dataclass
class Reader:
    reads: list[Sequence[Event]]
    end: Sequence[Event] = field(default_factory=tuple)
    awaits_end: bool = False

    def feed(self, data: bytes) -> Sequence[Event]:
        assert data
        return self.reads.pop(0)

    def finish(self) -> Sequence[Event]:
        return self.end


Finish = Callable[[CompactionTranslator], bytes]


def run(
    *reads: Sequence[Event], end: Sequence[Event] = (), finish: Finish = CompactionTranslator.finish
) -> tuple[list[dict[str, object]], Mapping[str, object]]:
    """Return the events of a stream, and the response that `on_end` received."""
    ended: list[Mapping[str, object]] = []
    emitter = Emitter("resp_1", 1, "m", {}, Client.CODEX)
    opening = emitter.open()
    translator = CompactionTranslator(Reader(list(reads), end), emitter, "1", ended.append)
    written = opening + b"".join(translator.feed(b"x") for _ in reads) + finish(translator)
    assert translator.terminal
    assert translator.finish() + translator.fail(CUT) == b""
    assert translator.summarize().terminal == f"response.{ended[0]['status']}"
    (final,) = ended
    return parse(written), final


def test_stream_has_exactly_one_compaction_item() -> None:
    events, final = run([TextDelta("we did "), ReasoningDelta("hm")], [TextDelta("x"), USAGE, STOP])
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events] == [0, 1, 2, 3, 4]
    item = events[3]["item"]
    assert isinstance(item, dict)
    assert item["type"] == "compaction"
    assert (read_compaction(item) or "").endswith("we did x")
    assert events[4]["response"] == final
    assert (final["output"], final["status"]) == ([item], "completed")
    assert final["usage"] == USAGE.usage.to_response()


@pytest.mark.parametrize(
    ("reads", "code"),
    [
        ([[TextDelta("half a summ")]], "stream_interrupted"),
        ([[TextDelta("half"), Stopped(StopReason.LENGTH)]], "invalid_prompt"),
        ([[TextDelta("half"), Stopped(StopReason.TOOL_CALLS)]], "invalid_prompt"),
        ([[TextDelta("  "), STOP]], "invalid_prompt"),
        ([[Failed(Problem(503, "rate_limit_exceeded", "busy"))]], "rate_limit_exceeded"),
    ],
)
def test_incomplete_summary_gives_no_item(reads: list[Sequence[Event]], code: str) -> None:
    events, final = run(*reads)
    assert events[-1]["type"] == "response.failed"
    assert final["error"]["code"] == code  # type: ignore[index]
    assert not [event for event in events if "item" in event]
    problem, _ = read_summary(Reader(list(reads)), "m", b"x")
    assert isinstance(problem, Problem)
    assert problem.code == code


def test_fault_fails_the_turn_unless_the_summary_is_complete() -> None:
    def cut(one: CompactionTranslator) -> bytes:
        return one.fail(CUT)

    events, _ = run([TextDelta("half")], end=[Failed(Problem(502, "reader", "r"))], finish=cut)
    assert events[-1]["response"]["error"]["code"] == "stream_interrupted"  # type: ignore[index]
    events, _ = run([TextDelta("all")], end=[STOP], finish=cut)
    assert events[-1]["type"] == "response.completed"


def test_document_is_read_as_a_summary() -> None:
    read = read_summary(Reader([[TextDelta("all of it"), USAGE, STOP]]), "m", b"x")
    assert read == ("all of it", USAGE.usage)
