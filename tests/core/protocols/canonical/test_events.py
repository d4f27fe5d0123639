"""The events of an answer."""

from __future__ import annotations

from typing import get_args

import pytest

from addons.core.protocols.canonical.events import Event, StopReason, stop_reason_of


def test_events_are_frozen_values() -> None:
    for event in get_args(Event):
        assert event.__dataclass_params__.frozen, event.__name__
        assert "__slots__" in vars(event), event.__name__


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("timeout timed_out timedOut TIME_OUT deadline_exceeded ERROR malformed_response", None),
        ("max_new_tokens max_completion_tokens maxOutputTokens output_limit MAX_TOKENS length_limit", StopReason.LENGTH),
        ("safety IMAGE_SAFETY guardrails ERROR_TOXIC", StopReason.CONTENT_FILTER),
        ("eos eosFound COMPLETE tool-calls max_turns FINISH_REASON_UNSPECIFIED", StopReason.END),
    ],
)  # fmt: skip
def test_words_of_other_servers_mean_a_reason(words: str, reason: StopReason | None) -> None:
    assert {word: stop_reason_of(word) for word in words.split()} == dict.fromkeys(words.split(), reason)  # fmt: skip
