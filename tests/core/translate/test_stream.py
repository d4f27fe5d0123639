"""The translator of a stream: one buffer per read, one terminal event, and no whole answer told as a cut one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from addons.core.errors import Problem
from addons.core.translate.emitter import Emitter
from addons.core.translate.endings import Client
from addons.core.translate.events import (
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageSeen,
)
from addons.core.translate.stream import OF_THE_UPSTREAM, StreamTranslator, whole
from addons.core.turn import Fault, FaultKind, Report
from addons.core.usage import Usage
from tests.conformance import check, parse

STOP = Stopped(StopReason.END)
BUSY = Failed(Problem(503, "rate_limit_exceeded", "busy: try again in 5s"))


@dataclass
class Reader:
    """A reader that says what it is told to say, read by read."""

    reads: list[Sequence[Event]]
    end: Sequence[Event] = ()
    fed: list[bytes] = field(default_factory=list)

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


def test_a_whole_answer_conforms_and_is_told_once() -> None:
    translator, ended = stream([TextDelta("a"), TextDelta("b")], [STOP])
    written = translator.feed(b"1") + translator.feed(b"2")
    assert check(written)
    assert last(written) == "response.completed"
    assert translator.terminal
    assert translator.feed(b"3") + translator.finish() + translator.fail(_cut()) == b""
    assert [response["status"] for response in ended] == ["completed"]


def test_a_read_that_means_nothing_writes_nothing_once_opened() -> None:
    translator, _ = stream([TextDelta("a")], [])
    assert translator.feed(b"1")
    assert translator.feed(b"2") == b""


def _cut() -> Fault:
    return Fault(FaultKind.CUT, "the connection ended inside the body")


def test_a_clean_end_without_a_reason_is_a_failure() -> None:
    translator, ended = stream([TextDelta("half an ans")])
    written = translator.feed(b"1") + translator.finish()
    assert check(written)
    assert code(written) == "stream_interrupted"
    assert ended[0]["status"] == "failed"


def test_the_reader_has_the_last_word_at_a_clean_end() -> None:
    translator, _ = stream([TextDelta("a")], end=[STOP])
    assert last(translator.feed(b"1") + translator.finish()) == "response.completed"
    translator, _ = stream([TextDelta("a")], end=[BUSY])
    assert code(translator.feed(b"1") + translator.finish()) == "rate_limit_exceeded"


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_after_the_last_word_cuts_nothing(kind: FaultKind) -> None:
    """The upstream gave its reason to stop; what it owed was its marker of the end."""
    translator, _ = stream([TextDelta("a")], end=[STOP])
    written = translator.feed(b"1") + translator.fail(Fault(kind, "x"))
    whole_answer = kind in OF_THE_UPSTREAM
    assert last(written) == ("response.completed" if whole_answer else "response.failed")


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_before_that_fails_with_its_own_words(kind: FaultKind) -> None:
    translator, _ = stream([TextDelta("a")], end=[Failed(Problem(502, "reader", "reader"))])
    written = translator.feed(b"1") + translator.fail(Fault(kind, "x"))
    assert check(written)
    assert last(written) == "response.failed"
    assert code(written) != "reader"


def test_half_a_call_is_never_done() -> None:
    call: list[Event] = [
        ToolCallStart(0, "call_1", "shell"),
        ToolCallDelta(0, '{"command": "rm -rf bui'),
    ]
    for end in (StreamTranslator.finish, lambda one: one.fail(_cut())):
        translator, _ = stream(call)
        written = translator.feed(b"1") + end(translator)
        assert last(written) == "response.failed"
        assert "response.output_item.done" not in [event["type"] for event in parse(written)]


def test_a_stream_reports_what_it_came_to() -> None:
    seen = Usage(1, 0, 2, 0, 3)
    translator, _ = stream([TextDelta("a")], [UsageSeen(seen), STOP])
    translator.feed(b"1")
    assert translator.report() == Report()
    translator.feed(b"2")
    assert translator.report() == Report("response.completed", usage=seen)
    translator, _ = stream([BUSY])
    translator.feed(b"1")
    assert translator.report() == Report("response.failed", "rate_limit_exceeded")


def test_a_whole_body_gives_the_response() -> None:
    one = emitter()
    assert whole(Reader([[TextDelta("hi")]], [STOP]), one, b"{}") is None
    assert one.response["status"] == "completed"


def test_a_whole_body_gives_what_it_failed_with() -> None:
    assert whole(Reader([[BUSY]]), emitter(), b"{}") == BUSY.problem


def test_a_whole_body_without_an_end_is_a_failure() -> None:
    problem = whole(Reader([[TextDelta("hi")]]), emitter(), b"{}")
    assert problem
    assert problem.code == "stream_interrupted"


def test_what_the_emitter_refuses_keeps_its_own_words() -> None:
    call: list[Event] = [ToolCallStart(0, "c", "shell"), ToolCallDelta(0, "{"), STOP]
    problem = whole(Reader([call]), emitter(), b"{}")
    assert problem
    assert (problem.status, problem.code) == (502, "tool_call_incomplete")
