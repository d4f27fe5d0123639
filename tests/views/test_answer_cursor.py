"""Answers of cursor-agent."""

from __future__ import annotations

from tests.fakes.model_upstream import Json
from tests.views.rendering import answer_page
from tests.views.samples import CURSOR_EVENTS, ndjson


def test_blocks_have_their_start_times() -> None:
    text = answer_page(ndjson())

    assert text.startswith("model: Composer 2.5\n\nREASONING · at 0.0 s\n  Reading files\n")
    assert "TEXT · at 1.0 s\n  Hello\n" in text
    assert 'CURSOR RAN read · at 2.5 s\n  {"path":"a.py"}' in text
    assert 'RESULT read · at 2.6 s\n  {"success":{"totalLines":3}}' in text
    assert "ENDED: result success\n  usage: in 160 (cached 50) · out 5" in text
    assert "the prompt" not in text


def test_complete_segments_are_shown_when_there_are_no_deltas() -> None:
    event: Json = {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hello"}]}}

    assert "TEXT\n  Hello" in answer_page(ndjson([CURSOR_EVENTS[0], event]))


def test_failed_result_is_the_error() -> None:
    result: Json = {"type": "result", "subtype": "error", "is_error": True, "result": "no login"}

    text = answer_page(ndjson([CURSOR_EVENTS[0], result]))

    assert "ERROR\n  no login" in text
    assert "ENDED: result error" in text


def test_tool_without_a_known_shape_is_named() -> None:
    call: Json = {
        "type": "tool_call",
        "subtype": "started",
        "tool_call": {"function": {"name": "grep", "args": {"q": 1}}},
    }

    assert 'CURSOR RAN grep\n  {"q":1}' in answer_page(ndjson([CURSOR_EVENTS[0], call]))
