"""Answers of the chat completions protocol."""

from __future__ import annotations

import orjson

from tests.fakes.model_upstream import Json
from tests.views.rendering import CALL_BLOCK, answer_page
from tests.views.samples import chat_stream


def chunk(delta: Json, **choice: object) -> bytes:
    return b"data: %s\n\n" % orjson.dumps({"choices": [{"delta": delta, **choice}]})


def test_stream_is_shown_as_reasoning_text_and_calls() -> None:
    text = answer_page(chat_stream())

    assert "REASONING\n  First a list." in text
    assert "TEXT\n  I will look." in text
    assert CALL_BLOCK in text
    assert "usage: in 1,200 (cached 1,000) · out 34" in text
    assert "ENDED: finish_reason tool_calls" in text


def test_unstreamed_completion_is_shown_like_its_stream() -> None:
    call = {"id": "call_1", "function": {"name": "exec_command", "arguments": '{"cmd":"ls -la\\necho done"}'}}  # fmt: skip
    choice = {"index": 0, "message": {"content": "I will look.", "tool_calls": [call]}, "finish_reason": "stop"}  # fmt: skip

    text = answer_page(orjson.dumps({"id": "c", "choices": [choice]}))

    assert text.startswith("id: c\n")
    assert "TEXT\n  I will look." in text
    assert CALL_BLOCK in text


def test_parallel_calls_are_separate() -> None:
    def delta(index: int, **function: str) -> bytes:
        identity = {"id": f"call_{index}"} if "name" in function else {}
        return chunk({"tool_calls": [{"index": index, "function": function, **identity}]})

    text = answer_page(
        delta(0, name="a", arguments='{"x":')
        + delta(1, name="b", arguments='{"y":')
        + delta(0, arguments="1}")
        + delta(1, arguments="2}")
    )

    assert "CALL a · call_0\n  x: 1\n\nCALL b · call_1\n  y: 2" in text


def test_refusal_is_a_block() -> None:
    assert "REFUSAL\n  I cannot." in answer_page(chunk({"refusal": "I cannot."}))


def test_error_in_the_stream_is_shown() -> None:
    error = b'data: {"error": {"message": "slow"}}\n\n'

    text = answer_page(chunk({"content": "hel"}) + error)

    assert "TEXT\n  hel" in text
    assert "ERROR\n" in text
    assert "slow" in text
