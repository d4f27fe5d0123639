"""The fields in which messages upstreams send reasons, usage and errors."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.protocols.canonical.events import Failed, Stopped, StopReason, UsageSeen
from addons.core.protocols.messages.reader import find_error, implied_status
from addons.core.usage import Usage
from tests.core.protocols.messages.streams import end, read, sse, start, stopping, text, tool

FILTER = StopReason.CONTENT_FILTER


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("end_turn stop_sequence pause_turn stop tool_use tool_calls anything", StopReason.END),
        ("max_tokens length model_context_window_exceeded", StopReason.LENGTH),
        ("refusal", StopReason.REFUSAL),
        ("content_filter content_filtered guardrail_intervened sensitive", FILTER),
    ],
)
def test_stop_reasons_are_mapped(words: str, reason: StopReason) -> None:
    for word in words.split():
        for spelling in (word, word.upper()):
            assert read(start(), text("Hi"), end(spelling))[-1] == Stopped(reason)


@pytest.mark.parametrize("word", ["end_turn", "stop", "tool_use", "tool_calls"])
def test_natural_stop_with_calls_is_tool_calls(word: str) -> None:
    assert read(start(), tool("{}"), end(word))[-1] == Stopped(StopReason.TOOL_CALLS)


@pytest.mark.parametrize(
    "word", ["error", "network_error", "abort", "aborted", "cancelled", "malformed_tool_use"]
)
def test_failure_as_stop_reason_fails(word: str) -> None:
    last = read(start(), text("Hi"), end(word))[-1]
    assert isinstance(last, Failed)
    assert word in last.problem.message
    assert last.problem.status == 503


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"input_tokens": 9, "output_tokens": 3}, Usage(9, 0, 3, 0, 12)),
        ({"input_tokens": 9, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2}, Usage(16, 5, 0, 0, 16, 2)),
        ({"input_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}}, Usage(12, 0, 0, 0, 12, 3)),
        ({"cache_creation_input_tokens": 4, "cache_creation": {"ephemeral_5m_input_tokens": 1}}, Usage(4, 0, 0, 0, 4, 4)),
        ({"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 2}}, Usage(0, 0, 3, 2, 3)),
        ({"output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}}, Usage(0, 0, 3, 1, 3)),
        ({"input_tokens": -1, "output_tokens": True}, None),
        ({"input_tokens": "9", "output_tokens": None}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_counts_are_read_under_every_name(counts: dict[str, Any], usage: Usage | None) -> None:
    for stream in (
        start(**counts) + text("Hi") + end(),
        start() + text("Hi") + end(**counts),
    ):
        seen = [event.usage for event in read(stream) if isinstance(event, UsageSeen)]
        assert seen == ([usage] if usage else [])


def test_bedrock_counts_are_read() -> None:
    metrics = {
        "inputTokenCount": 9,
        "cacheWriteInputTokenCount": 2,
        "cacheReadInputTokenCount": 5,
        "outputTokenCount": 3,
    }
    stop = sse("message_stop", **{"amazon-bedrock-invocationMetrics": metrics})
    assert UsageSeen(Usage(16, 5, 3, 0, 19, 2)) in read(start(), text("Hi"), stopping(None), stop)


@pytest.mark.parametrize(
    ("event", "kind", "error"),
    [
        ({"error": {"message": "no"}}, "ping", {"message": "no"}),
        ({"message": "no"}, "error", {"message": "no"}),
        ({"message": "no"}, "ping", None),
        ({"error": None}, "ping", None),
    ],
)
def test_errors_are_found_in_every_form(event: dict[str, Any], kind: str, error: object) -> None:
    assert find_error(event, kind) == error


def test_only_invalid_request_implies_a_status() -> None:
    assert implied_status({"type": "invalid_request_error"}) == 400
    assert implied_status({"type": "api_error"}) is None
    assert implied_status("no object") is None
