"""An answer is read from a stream at any split, or from a whole body."""

from __future__ import annotations

import orjson
import pytest

from addons.core.usage import Usage
from addons.core.what_if.answer import Answer, Call
from addons.core.what_if.reading import StreamReading, read_whole
from tests.core.what_if.samples import EVENTS, stream

CALLS = [Call("mcp__files.read", '{"a":1}'), Call("web_search_call", '{"query":"x"}')]


def read(data: bytes, size: int = 0) -> Answer:
    answer = Answer("row")
    reading = StreamReading(answer)
    for at in range(0, len(data), size or len(data) or 1):
        reading.feed(data[at : at + (size or len(data))], float(at))
    reading.finish()
    return answer


@pytest.mark.parametrize("size", [1, 7, 0])
def test_text_calls_and_usage_are_read_at_any_split(size: int) -> None:
    found = read(stream(*EVENTS), size)
    assert (found.text, found.calls, found.outcome) == ("Hello.", CALLS, "completed")
    assert found.usage == Usage(10, 4, 5, 2, 15)


def read_at(answer: Answer) -> float | None:
    return answer.first_seconds


def test_first_part_has_a_time() -> None:
    answer = Answer("row")
    reading = StreamReading(answer)
    reading.feed(stream(EVENTS[0]), 1.0)
    assert read_at(answer) is None
    reading.feed(stream({"type": "response.reasoning_summary_text.delta", "delta": "hm"}), 2.0)
    reading.feed(stream(EVENTS[1]), 3.0)
    assert reading.text == "Hel"
    assert read_at(answer) == 2.0


def test_stream_without_a_last_event_is_cut_and_keeps_its_text() -> None:
    found = read(stream(*EVENTS[:2]))
    assert (found.outcome, found.code, found.text) == ("cut", "answer_cut", "Hel")


def test_parts_of_several_messages_are_separate() -> None:
    parts = [{"type": "response.refusal.delta", "output_index": at, "delta": text} for at, text in ((0, "a"), (1, "b"))]  # fmt: skip
    assert read(stream(*parts)).text == "a\n\nb"


def test_ends_of_a_stream() -> None:
    error = {"code": "x", "message": "why"}
    for event, expected in (
        ({"type": "response.failed", "response": {"error": error}}, ("failed", "x", "why")),
        ({"type": "response.failed"}, ("failed", "response.failed", "no reason given (failed)")),
        ({"type": "error", **error}, ("failed", "x", "why")),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max"}}},
         ("incomplete", "incomplete", "the answer is incomplete: max")),
    ):  # fmt: skip
        found = read(stream(event))
        assert (found.outcome, found.code, found.message) == expected


def test_any_bytes_are_read() -> None:
    for data in (b"", b"data: [DONE]\n\n", b"data: 3\n\ndata: {\n\n", b"\xff\xfe\n\n"):
        assert read(data).outcome == "cut"


def test_whole_response_and_error_are_read() -> None:
    output = [event["item"] for event in EVENTS if "item" in event]
    usage = EVENTS[-1]["response"]["usage"]  # type: ignore[index]
    body = {"object": "response", "status": "completed", "output": output, "usage": usage}
    for status, value, expected in (
        (200, body, ("completed", "")),
        (200, {**body, "status": "incomplete"}, ("incomplete", "incomplete")),
        (200, {**body, "status": "failed", "error": {"code": "x"}}, ("failed", "x")),
        (429, {"error": {"code": "budget_exceeded", "message": "no"}}, ("failed", "budget_exceeded")),
        (502, [], ("failed", "status 502")),
    ):  # fmt: skip
        answer = Answer("row")
        read_whole(answer, status, orjson.dumps(value))
        assert (answer.outcome, answer.code) == expected
        if status == 200:
            assert (answer.text, answer.calls) == ("Hello.", CALLS)
            assert answer.usage == Usage(10, 4, 5, 2, 15)


def test_events_of_any_form_are_read() -> None:
    nested = b"[" * 400 + b"]" * 400
    item = b'{"type":"message","content":[{"text":"a"}]}'
    for index in (b"[1]", b'{"a":1}', b"null", b'"x"', nested):
        reading = StreamReading(Answer("s"))
        for event in (
            b'{"type":"response.output_text.delta","output_index":%s,"delta":"b"}' % index,
            b'{"type":"response.output_item.done","output_index":%s,"item":%s}' % (index, item),
            b'{"type":"response.output_item.done","item":{"type":"web_search_call","action":%s}}' % nested,
        ):  # fmt: skip
            reading.feed(b"data: %s\n\n" % event)
        reading.finish()
        assert reading.answer.text == "a"
        assert reading.answer.calls == [Call("web_search_call", "(nested too deeply to be shown)")]
