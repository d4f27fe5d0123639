"""Answers of the messages protocol."""

from __future__ import annotations

import orjson

from tests.views.rendering import CALL_BLOCK, answer_page
from tests.views.samples import messages_stream


def test_stream_is_shown_as_reasoning_text_and_calls() -> None:
    text = answer_page(messages_stream())

    assert "REASONING\n  First a list." in text
    assert "TEXT\n  I will look." in text
    assert CALL_BLOCK in text
    assert "usage: in 1,200 (cached 1,000) · out 34" in text
    assert "ENDED: message_stop, stop_reason tool_use" in text


def test_unstreamed_message_is_shown_like_its_stream() -> None:
    content = [{"type": "text", "text": "I will look."}, {"type": "tool_use", "id": "call_1", "name": "exec_command", "input": {"cmd": "ls -la\necho done"}}]  # fmt: skip

    text = answer_page(
        orjson.dumps({"type": "message", "content": content, "stop_reason": "end_turn"})
    )

    assert "TEXT\n  I will look." in text
    assert CALL_BLOCK in text
    assert "ENDED: stop_reason end_turn" in text


def test_block_of_another_type_is_named() -> None:
    content = [{"type": "redacted_thinking", "data": "x"}, {"type": "web_search_tool_result", "content": "found"}]  # fmt: skip

    text = answer_page(orjson.dumps({"type": "message", "content": content}))

    assert "REDACTED_THINKING\n  [redacted_thinking]" in text
    assert "WEB_SEARCH_TOOL_RESULT\n  found" in text


def test_error_event_is_shown() -> None:
    error = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'

    assert "ERROR\n" in (text := answer_page(messages_stream()[:200] + b"\n\n" + error))
    assert "overloaded_error" in text
