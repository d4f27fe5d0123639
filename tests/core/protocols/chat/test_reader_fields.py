"""The fields in which chat completions upstreams send reasons, content, reasoning, usage and errors."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.protocols.canonical.events import Failed, Stopped, StopReason
from addons.core.protocols.chat.chunk_fields import find_error, find_usage
from addons.core.protocols.chat.reader import content_parts, reasoning_text
from addons.core.usage import Usage
from tests.core.protocols.chat.streams import read
from tests.quirks.chat_quirks import stop, text

CUT, FILTER = StopReason.LENGTH, StopReason.CONTENT_FILTER


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("stop eos end_turn complete", StopReason.END),
        ("tool_calls tool_call tool_use function_call", StopReason.TOOL_CALLS),
        ("length max_tokens max_output_tokens model_length model_context_window_exceeded", CUT),
        ("content_filter content_filtered sensitive safety recitation blocklist prohibited_content", FILTER),
        ("refusal", StopReason.REFUSAL),
    ],
)  # fmt: skip
def test_finish_reasons_are_mapped(words: str, reason: StopReason) -> None:
    for word in words.split():
        for spelling in (word, word.upper()):
            assert read(text("hi"), stop(spelling))[-1] == Stopped(reason)


@pytest.mark.parametrize(
    "word",
    [
        "error",
        "abort",
        "aborted",
        "cancelled",
        "network_error",
        "insufficient_system_resource",
        "malformed_function_call",
        "repetition_truncation",
    ],
)
def test_failure_as_finish_reason_fails(word: str) -> None:
    last = read(text("hi"), stop(word))[-1]
    assert isinstance(last, Failed)
    assert word in last.problem.message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a", [("text", "a")]),
        ([{"type": "text", "text": "a"}, "b"], [("text", "a"), ("text", "b")]),
        ({"thinking": [{"text": "a"}]}, [("reasoning", "a")]),
        ({"refusal": "no", "text": "a"}, [("refusal", "no"), ("text", "a")]),
        ([[{"text": "a"}]], [("text", "a")]),
        ({"other": "a"}, []),
        (3, []),
        (None, []),
    ],
)
def test_content_is_read_in_every_form(content: object, found: list[tuple[str, str]]) -> None:
    assert list(content_parts(content)) == found


@pytest.mark.parametrize(
    ("delta", "thought"),
    [
        ({"reasoning_content": "a", "reasoning": "b"}, "a"),
        ({"reasoning_content": "", "reasoning": "b", "thinking": "c"}, "b"),
        ({"thinking": "c"}, "c"),
        ({"reasoning_details": [{"text": "a"}, {"summary": "b"}, {"data": "hidden"}, 3]}, "ab"),
        ({"reasoning_details": {"text": "a"}}, ""),
        ({}, ""),
    ],
)
def test_reasoning_is_found_in_every_field(delta: dict[str, Any], thought: str) -> None:
    assert reasoning_text(delta) == thought


@pytest.mark.parametrize(
    ("expected", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3}, Usage(9, 0, 3, 0, 12)),
        ({"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}, Usage(9, 0, 3, 0, 12)),
        ({"prompt_tokens": 9.0, "completion_tokens": True}, Usage(9, 0, 0, 0, 9)),
        # Reasoning is counted only in the total.
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 20}, Usage(9, 0, 11, 8, 20)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "reasoning_tokens": 2}, Usage(9, 0, 3, 2, 12)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 1}}, Usage(9, 0, 3, 1, 12)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 7}}, Usage(9, 0, 3, 3, 12)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(9, 4, 0, 0, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 40}}, Usage(9, 9, 0, 0, 9)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(9, 4, 0, 0, 9)),
        ({"prompt_tokens": 9, "cached_tokens": 4}, Usage(9, 4, 0, 0, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 5}}, Usage(9, 0, 0, 0, 9, 5)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_creation_tokens": 5}}, Usage(9, 0, 0, 0, 9, 5)),
        ({"prompt_tokens": 9, "cached_tokens": 7, "cache_creation_input_tokens": 5}, Usage(9, 7, 0, 0, 9, 2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": -1, "completion_tokens": "3"}, None),
        (None, None),
    ],
)  # fmt: skip
def test_counts_are_read_under_every_name(expected: dict[str, Any], usage: Usage | None) -> None:
    for chunk, choice in (
        ({"usage": expected}, {}),
        ({"x_groq": {"usage": expected}}, {}),
        ({}, {"usage": expected}),
    ):
        assert find_usage(chunk, choice) == usage


ERROR = {"message": "no"}


@pytest.mark.parametrize(
    ("chunk", "name", "error"),
    [
        ({"error": ERROR, "choices": []}, "", {"error": ERROR, "choices": []}),
        ({"object": "error", "message": "no", "choices": []}, "x", {"object": "error", "message": "no", "choices": []}),
        ({"type": "error", "choices": []}, "x", {"type": "error", "choices": []}),
        ({"message": "no", "choices": []}, "error", {"message": "no", "choices": []}),
        ({"base_resp": {"status_code": 1008, "status_msg": "no"}}, "x", {"code": 1008, "message": "no"}),
        ({"base_resp": {"status_code": 0}}, "", None),
        ({"error_message": "no", "choices": None}, "", {"error_message": "no", "choices": None}),
        ({"code": "x", "message": "no"}, "", {"code": "x", "message": "no"}),
        ({"detail": "no"}, "", {"detail": "no"}),
        ({"detail": ""}, "", None),
        ({"detail": "no"}, "progress", None),
        ({"detail": "no", "choices": []}, "", None),
        ({"code": "x"}, "", None),
        ({"message": "no"}, "", None),
        ({"error": None}, "", None),
    ],
)  # fmt: skip
def test_errors_are_found_in_every_form(
    chunk: dict[str, Any], name: str, error: dict[str, Any] | None
) -> None:
    assert find_error(chunk, name) == error
