"""The translator of a stream: one buffer per read and one terminal event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from addons.core.errors import Problem
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.protocols.responses.stream_translator import (
    UPSTREAM_FAULTS,
    StreamTranslator,
    emit_document,
)
from addons.core.turn import Fault, FaultKind, StreamSummary
from addons.core.usage import Usage
from tests.conformance import check, parse

STOP = Stopped(StopReason.END)
BUSY = Failed(Problem(503, "rate_limit_exceeded", "busy: try again in 5s"))


@dataclass
class Reader:
    """A reader with a fixed result for each read."""

    reads: list[Sequence[Event]]
    end: Sequence[Event] = ()
    fed: list[bytes] = field(default_factory=list)
    awaits_end: bool = False

    def feed(self, data: bytes) -> Sequence[Event]:
        self.fed.append(data)
        return self.reads.pop(0) if self.reads else ()

    def finish(self) -> Sequence[Event]:
        return self.end


def emitter() -> Emitter:
    return Emitter("resp_1", 1, "m", {}, Client.OTHER)


def stream(
    *reads: Sequence[Event], end: Sequence[Event] = ()
) -> tuple[StreamTranslator, list[Mapping[str, object]]]:
    ended: list[Mapping[str, object]] = []
    return StreamTranslator(Reader(list(reads), end), emitter(), ended.append), ended


def last(written: bytes) -> str:
    return str(parse(written)[-1]["type"])


def code(written: bytes) -> object:
    return parse(written)[-1]["response"]["error"]["code"]


def test_complete_answer_is_valid_and_ends_once() -> None:
    translator, ended = stream([TextDelta("a"), TextDelta("b")], [STOP])
    written = translator.feed(b"1") + translator.feed(b"2")
    assert check(written)
    assert last(written) == "response.completed"
    assert translator.terminal
    assert translator.feed(b"3") + translator.finish() + translator.fail(_cut()) == b""
    assert [response["status"] for response in ended] == ["completed"]


def test_read_without_events_writes_nothing() -> None:
    translator, _ = stream([TextDelta("a")], [])
    assert translator.feed(b"1")
    assert translator.feed(b"2") == b""


def _cut() -> Fault:
    return Fault(FaultKind.CUT, "the connection ended inside the body")


def test_end_without_a_stop_reason_is_a_failure() -> None:
    translator, ended = stream([TextDelta("half an ans")])
    written = translator.feed(b"1") + translator.finish()
    assert check(written)
    assert code(written) == "stream_interrupted"
    assert ended[0]["status"] == "failed"


def test_events_of_the_readers_end_are_translated() -> None:
    translator, _ = stream([TextDelta("a")], end=[STOP])
    assert last(translator.feed(b"1") + translator.finish()) == "response.completed"
    translator, _ = stream([TextDelta("a")], end=[BUSY])
    assert code(translator.feed(b"1") + translator.finish()) == "rate_limit_exceeded"


@pytest.mark.parametrize("kind", FaultKind)
def test_upstream_fault_after_the_stop_reason_is_ignored(kind: FaultKind) -> None:
    """After the stop reason, only the end marker of the stream is missing."""
    translator, _ = stream([TextDelta("a")], end=[STOP])
    written = translator.feed(b"1") + translator.fail(Fault(kind, "x"))
    whole_answer = kind in UPSTREAM_FAULTS
    assert last(written) == ("response.completed" if whole_answer else "response.failed")


@pytest.mark.parametrize("kind", FaultKind)
def test_fault_before_the_stop_reason_fails_with_its_own_code(kind: FaultKind) -> None:
    translator, _ = stream([TextDelta("a")], end=[Failed(Problem(502, "reader", "reader"))])
    written = translator.feed(b"1") + translator.fail(Fault(kind, "x"))
    assert check(written)
    assert last(written) == "response.failed"
    assert code(written) != "reader"


def test_incomplete_call_is_never_done() -> None:
    call: list[Event] = [
        ToolCallStart(0, "call_1", "shell"),
        ToolCallDelta(0, '{"command": "rm -rf bui'),
    ]
    for end in (StreamTranslator.finish, lambda one: one.fail(_cut())):
        translator, _ = stream(call)
        written = translator.feed(b"1") + end(translator)
        assert last(written) == "response.failed"
        assert "response.output_item.done" not in [event["type"] for event in parse(written)]


def test_summary_of_a_stream() -> None:
    seen = Usage(1, 0, 2, 0, 3)
    translator, _ = stream([TextDelta("a")], [UsageSeen(seen), STOP])
    translator.feed(b"1")
    assert translator.summarize() == StreamSummary()
    translator.feed(b"2")
    assert translator.summarize() == StreamSummary("response.completed", usage=seen)
    translator, _ = stream([BUSY])
    translator.feed(b"1")
    assert translator.summarize() == StreamSummary("response.failed", "rate_limit_exceeded")


def test_document_gives_the_response() -> None:
    one = emitter()
    assert emit_document(Reader([[TextDelta("hi")]], [STOP]), one, b"{}") is None
    assert one.response["status"] == "completed"


def test_failed_document_gives_its_problem() -> None:
    assert emit_document(Reader([[BUSY]]), emitter(), b"{}") == BUSY.problem


def test_document_without_an_end_is_a_failure() -> None:
    problem = emit_document(Reader([[TextDelta("hi")]]), emitter(), b"{}")
    assert problem
    assert problem.code == "stream_interrupted"


def test_failure_of_the_emitter_keeps_its_own_code() -> None:
    call: list[Event] = [ToolCallStart(0, "c", "shell"), ToolCallDelta(0, "{"), STOP]
    problem = emit_document(Reader([call]), emitter(), b"{}")
    assert problem
    assert (problem.status, problem.code) == (502, "tool_call_incomplete")
