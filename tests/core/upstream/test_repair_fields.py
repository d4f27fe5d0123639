"""The fields that a refusal names: only those that were sent, and none that a request needs."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.upstream.refusal import read_refusal
from addons.core.upstream.repair_fields import REQUIRED, omitted_fields, resolved
from addons.core.upstream.sent import Sent
from tests.core.upstream.test_traits import TARGET

BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "temperature", "name": "n", "reasoning": "r"}],
    "tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"properties": {"seed": {"default": 1}}}}}],
    "temperature": 1,
    "stream": True,
    "stream_options": {"include_usage": True},
}  # fmt: skip


def named(words: str, body: dict[str, Any] = BODY) -> list[str]:
    changes = list(omitted_fields(read_refusal(400, words.encode()), Sent(TARGET, body)))
    return [name.removeprefix("omit:") for change in changes for name, _ in change.traits]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("Unknown parameter: 'temperature'", ["temperature"]),
        ("unknown field `strict`", ["tools.*.function.strict"]),
        ("messages.0.reasoning: Extra inputs are not permitted", ["messages.*.reasoning"]),
        ("body.messages.7.assistant.reasoning: not permitted", ["messages.*.reasoning"]),
        ("includeUsage is not supported", ["stream_options.include_usage"]),
        ("unknown field `top_k`, expected one of `temperature`, `stream_options`", []),
        ("unsupported field `seed`", []),
        ("unknown field `default`", []),
        ("Unsupported value: 'temperature' does not support 1. Use 'stream_options' instead", ["temperature"]),
    ],
)  # fmt: skip
def test_named_fields_that_were_sent(words: str, fields: list[str]) -> None:
    assert named(words) == fields


@pytest.mark.parametrize("field", sorted(REQUIRED))
def test_field_that_a_request_needs_is_never_left_out(field: str) -> None:
    assert named(f"Unknown parameter: '{field}'") == []


def test_validators_own_segments_are_skipped() -> None:
    field = ("body", "messages", "0", "UserMessage", "reasoning")
    assert resolved(BODY, field) == ("messages", "0", "reasoning")
    assert resolved(BODY, ("nowhere",)) is None
