"""The begin of a stream: an answer or a refusal, however the bytes are split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.stream_start import MAX_ERROR_BYTES, StreamStart

PREAMBLE = (
    b": ping\n\n"
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n'
    b'data: {"type":"codex.rate_limits","rate_limits":{}}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
)
ERROR = b'data: {"type":"response.failed","response":{"error":{"code":"usage_limit_reached"}}}\n\n'
DELTA = b'data: {"type":"response.output_text.delta","delta":"a"}\n\n'


def start_of(*reads: bytes, limit: int = 10_000) -> StreamStart:
    start = StreamStart(limit)
    for read in reads:
        start.feed(read)
    return start


def test_events_that_hold_nothing_are_waited_through() -> None:
    start = start_of(PREAMBLE)
    assert not start.is_clear
    assert start.feed(ERROR)
    assert start.error == {"error": {"code": "usage_limit_reached"}}


def test_error_after_the_begin_of_an_answer_is_none() -> None:
    start = start_of(PREAMBLE, DELTA, ERROR)
    assert (start.is_clear, start.error) == (True, None)


def test_error_that_only_the_name_of_its_event_tells() -> None:
    """Anthropic and compatible servers leave the type out of the data."""
    start = start_of(b'event: error\ndata: {"error":{"type":"rate_limit_error"}}\n\n')
    assert start.error == {"error": {"type": "rate_limit_error"}}


def test_failure_without_an_error_and_a_large_one_are_answers() -> None:
    empty = b'data: {"type":"response.failed","response":{"error":null}}\n\n'
    large = b'data: {"error":{"message":"' + b"x" * MAX_ERROR_BYTES + b'"}}\n\n'
    for block in (empty, large):
        start = start_of(block, limit=1_000_000)
        assert (start.is_clear, start.error) == (True, None)


def test_size_is_bounded() -> None:
    assert start_of(b"data: " + b"x" * 20_000).is_clear


@given(st.lists(st.integers(0, len(PREAMBLE + ERROR)), max_size=6))
def test_any_split_gives_the_same_result(cuts: list[int]) -> None:
    data, at = PREAMBLE + ERROR, sorted(cuts)
    reads = [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    start = start_of(*reads)
    assert start.error == {"error": {"code": "usage_limit_reached"}}
