"""The common behaviour of the chat and messages readers: body formats, limits, and the end of an answer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from addons.core.protocols.answer_reader import MAX_EXCERPT_BYTES, AnswerReader, excerpt
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    Stopped,
    StopReason,
    TextDelta,
    UsageSeen,
)
from addons.core.protocols.chat.reader import ChatReader
from addons.core.protocols.messages.reader import MessagesReader
from addons.core.protocols.sse import BOM
from tests.core.protocols.chat import streams as chat
from tests.core.protocols.messages import samples, streams
from tests.quirks.chat_quirks import chunk, stop
from tests.quirks.chat_quirks import text as chat_text

LIMIT = 400


@dataclass(frozen=True, slots=True)
class Case:
    """One protocol: the parts of an answer, and a document with the same meaning."""

    text: bytes
    end: bytes
    document: bytes

    def reader(self) -> AnswerReader:
        if self is CHAT:
            return ChatReader(chat.EMPTY, chat.target(), LIMIT)
        return MessagesReader(streams.CONVERSATION, samples.TARGET, max_event_bytes=LIMIT)

    def read(self, *reads: bytes) -> list[Event]:
        reader = self.reader()
        return [*(event for data in reads for event in reader.feed(data)), *reader.finish()]


CHAT = Case(
    chat_text("hi"),
    chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2}) + stop(),
    b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2}}',
)
MESSAGES = Case(
    streams.start(input_tokens=1) + streams.text("hi"),
    streams.end(output_tokens=2),
    b'{"type":"message","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":1,"output_tokens":2}}',
)
CASES = pytest.mark.parametrize("case", [CHAT, MESSAGES], ids=["chat", "messages"])


def failure(events: list[Event]) -> str:
    assert isinstance(events[-1], Failed)
    return events[-1].problem.message


@CASES
def test_stream_and_document_give_the_same_events(case: Case) -> None:
    events = case.read(case.text, case.end)
    assert [type(event) for event in events] == [TextDelta, UsageSeen, Stopped]
    assert case.read(case.document) == events
    assert case.read(*(bytes([byte]) for byte in case.document)) == events


@CASES
def test_blank_lines_and_a_byte_order_mark_do_not_hide_the_format(case: Case) -> None:
    for body in (case.text + case.end, case.document):
        expected = case.read(body)
        for start in (b"\r\n\n", BOM, BOM + b"\n"):
            assert case.read(start + body) == expected
            assert case.read(*(bytes([byte]) for byte in start + body)) == expected


@CASES
def test_html_body_is_reported_as_a_web_page(case: Case) -> None:
    message = failure(case.read(b"<html><title>Sign in</title>"))
    assert "answered with a web page: <html><title>Sign in" in message
    assert "base_url" in message


@CASES
def test_truncated_document_is_not_json(case: Case) -> None:
    assert "not JSON" in failure(case.read(case.document[:-1]))


@CASES
def test_stream_without_a_stop_reason_is_interrupted(case: Case) -> None:
    for body in (b"", b"\n", BOM, case.text):
        events = case.read(body)
        assert isinstance(events[-1], Failed)
        assert events[-1].problem.code == "stream_interrupted"


@CASES
def test_oversized_event_and_document_fail_before_they_end(case: Case) -> None:
    for start in (b"data: ", b"{"):
        reader = case.reader()
        events = [event for data in (start, b"x" * 2 * LIMIT) for event in reader.feed(data)]
        assert "too large" in failure(events)
        assert reader.finish() == []


@CASES
def test_usage_precedes_the_event_that_ends_the_turn(case: Case) -> None:
    events = case.read(case.text, case.end)
    assert events[-1] == Stopped(StopReason.END)
    assert isinstance(events[-2], UsageSeen)
    assert (events[-2].usage.input_tokens, events[-2].usage.output_tokens) == (1, 2)


@CASES
def test_events_after_the_end_are_ignored(case: Case) -> None:
    reader = case.reader()
    assert reader.feed(case.text + case.end)
    assert reader.feed(case.text) == []
    assert reader.finish() == []


def test_excerpt_is_short_printable_and_without_keys() -> None:
    assert excerpt(b"x" * 1000) == "x" * MAX_EXCERPT_BYTES
    assert excerpt(b"a\x1b[31mb\xff") == "ab\N{REPLACEMENT CHARACTER}"
    assert "sk-proj" not in excerpt(b"key sk-proj-fabricated-0123456789abcdef")
