"""Usage of chat completions: cached tokens inside and outside of the input, and every shape of a usage object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.chat.chunk_fields import (
    CACHED_SEPARATELY,
    WRITTEN,
    find_usage,
    read_usage,
)
from addons.core.usage import MAX_TOKENS, Usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 368, "completion_tokens": 19, "total_tokens": 10923, "cache_read_input_tokens": 10536}, Usage(10904, 10536, 19, 0, 10923)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 815, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 300}, Usage(810, 500, 5, 0, 815, 300)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 615, "prompt_tokens_details": {"cached_tokens": 500}, "reasoning_tokens": 100}, Usage(10, 10, 605, 100, 615)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 615, "prompt_tokens_details": {"cached_tokens": 500}, "completion_tokens_details": {"reasoning_tokens": 100}}, Usage(510, 500, 105, 100, 615)),
        ({"prompt_tokens": 900, "completion_tokens": 5, "total_tokens": 905, "cache_read_input_tokens": 500, "prompt_tokens_details": {"cached_tokens": 500}}, Usage(900, 500, 5, 0, 905)),
        ({"prompt_tokens": 368, "completion_tokens": 19, "total_tokens": 387, "cache_read_input_tokens": 10536}, Usage(10904, 10536, 19, 0, 10923)),
        ({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 500, "cache_creation_input_tokens": 300}, Usage(810, 500, 5, 0, 815, 300)),
        ({"input_tokens": 510, "output_tokens": 5, "total_tokens": 515, "input_tokens_details": {"cached_tokens": 500}}, Usage(510, 500, 5, 0, 515)),
        ({"prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 80, "completion_tokens": 2, "total_tokens": 102}, Usage(100, 20, 2, 0, 102)),
        ({"prompt_tokens": 1800, "completion_tokens": 2, "total_tokens": 1802, "cached_tokens": 1792}, Usage(1800, 1792, 2, 0, 1802)),
        ({"prompt_tokens": 10**30, "completion_tokens": 1e300}, Usage(MAX_TOKENS, 0, MAX_TOKENS, 0, 2 * MAX_TOKENS)),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, Usage(MAX_TOKENS, 0, 0, 0, MAX_TOKENS)),
    ],
)  # fmt: skip
def test_counts_mean_the_same_everywhere(usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(usage) == expected


PARTS_OF_A_COUNT = (
    *CACHED_SEPARATELY, *WRITTEN, "reasoning_tokens", "prompt_tokens_details", "input_tokens_details",
    "completion_tokens_details", "output_tokens_details",
)  # fmt: skip
INSIDE = {"cached_tokens": 5, "cache_write_tokens": 5, "reasoning_tokens": 5}


@pytest.mark.parametrize("field", PARTS_OF_A_COUNT)
def test_part_of_a_count_is_read_without_any_other(field: str) -> None:
    counts = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    part = INSIDE if field.endswith("_details") else 5
    assert read_usage({**counts, field: part}) != read_usage(counts)


def test_usage_is_found_where_upstreams_put_it() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2}
    for chunk, choice in (
        ({"usage": counts}, {}),
        ({"usage": None, "x_groq": {"usage": counts}}, {}),
        ({"usage": {}}, {"usage": counts}),
        ({}, {"message": {"usage": counts}}),
    ):
        assert find_usage(chunk, choice) == Usage(1, 0, 2, 0, 3)
    assert find_usage({"usage": {"prompt_tokens": 0}}, {"usage": None}) is None


KEYS = ("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "prompt_cache_hit_tokens", "reasoning_tokens")  # fmt: skip
COUNTS = st.integers(-5, 2000) | st.none() | st.booleans() | st.floats() | st.text(max_size=2)


@given(
    st.dictionaries(st.sampled_from(KEYS), COUNTS), st.dictionaries(st.sampled_from(KEYS), COUNTS)
)
def test_any_usage_is_consistent(usage: dict[str, Any], details: dict[str, Any]) -> None:
    found = read_usage({**usage, "prompt_tokens_details": details})
    if found:
        assert found.total_tokens == found.input_tokens + found.output_tokens
        assert 0 <= found.cached_tokens + found.cache_written_tokens <= found.input_tokens
        assert 0 <= found.reasoning_tokens <= found.output_tokens
