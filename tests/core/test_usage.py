"""Token usage: read from a response, written for clients."""

from __future__ import annotations

import orjson
import pytest

from addons.core.usage import MAX_TOKENS, Usage

RESPONSE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}
SUMS = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (RESPONSE, Usage(10, 4, 7, 3, 17, 2)),
        (SUMS, Usage(1, 0, 2, 0, 3)),
        ({**RESPONSE, "input_tokens_details": None}, Usage(10, 0, 7, 3, 17)),
        ({**RESPONSE, "output_tokens_details": {"reasoning_tokens": "3"}}, Usage(10, 4, 7, 0, 17, 2)),
        ({"input_tokens": 1, "output_tokens": 2}, None),
        ({**SUMS, "input_tokens": "1"}, None),
        ({**SUMS, "input_tokens": True}, None),
        (None, None),
        ([], None),
    ],
)  # fmt: skip
def test_usage_needs_three_integer_sums(value: object, usage: Usage | None) -> None:
    assert Usage.of(value) == usage


def test_usage_is_written_in_the_form_of_the_responses_api() -> None:
    usage = Usage.of(RESPONSE)
    assert usage
    assert usage.to_response() == RESPONSE


def test_both_detail_objects_are_written_without_details() -> None:
    written = Usage(1, 0, 2, 0, 3).to_response()
    assert written["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert written["output_tokens_details"] == {"reasoning_tokens": 0}


def test_plain_data_has_every_count_but_the_total() -> None:
    assert Usage(10, 4, 7, 3, 17, 2).plain() == {
        "input": 10, "cached": 4, "cache_written": 2, "output": 7, "reasoning": 3,
    }  # fmt: skip


def test_absurd_counts_are_written_as_the_largest_count() -> None:
    huge = 2**64 - 1
    usage = Usage(huge, huge, huge, huge, huge + huge, huge)
    response, plain = orjson.loads(orjson.dumps([usage.to_response(), usage.plain()]))
    assert response["total_tokens"] == plain["input"] == MAX_TOKENS == 2**53 - 1
