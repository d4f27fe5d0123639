"""JSON values and events read from untrusted bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.usage import Usage
from addons.views import json_input
from addons.views.json_input import (
    arguments_of,
    decoded,
    json_lines,
    json_of,
    sse_events,
    usage_text,
)


@pytest.mark.parametrize(
    ("data", "value"), [(b'{"a": 1}', {"a": 1}), ("[1]", [1]), (b"{", None), (b"\xff", None), ("\ud800", None)]
)  # fmt: skip
def test_invalid_json_is_none(data: bytes | str, value: object) -> None:
    assert json_of(data) == value


def test_input_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_input, "MAX_READ_BYTES", 8)
    assert json_of(b'"123456"   too long') == "123456"
    assert list(json_lines(b"1\n2\n3\n4\n5\n6")) == [1, 2, 3, 4]
    assert [data for _, data, _ in sse_events(b"data: x\n\ndata: y\n\n")] == [b"x"]


def test_arguments_are_an_object_or_none() -> None:
    assert arguments_of('{"a": 1}') == {"a": 1}
    assert arguments_of("[1]") is None
    assert arguments_of("free text") is None


def test_events_have_names_and_an_unfinished_one_is_included() -> None:
    body = b"event: a\ndata: 1\n\ndata: 2\n\nevent: c\ndata: 3"
    assert list(sse_events(body)) == [("a", b"1", None), ("", b"2", None), ("c", b"3", None)]


def test_events_have_the_time_of_the_read_that_ended_them() -> None:
    body = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert [at for *_, at in sse_events(body, [(0.1, 12), (0.2, 18), (0.3, 5)])] == [0.1, 0.2, 0.3]


@given(
    st.binary(max_size=60), st.lists(st.tuples(st.floats(0, 9), st.integers(-5, 70)), max_size=5)
)
def test_reads_do_not_change_the_events(body: bytes, reads: list[tuple[float, int]]) -> None:
    assert [one[:2] for one in sse_events(body, reads)] == [one[:2] for one in sse_events(body)]


def test_lines_that_are_not_json_are_none() -> None:
    assert list(json_lines(b'{"a": 1}\n\n  \nno\n[2]')) == [{"a": 1}, None, [2]]


def test_invalid_utf8_is_replaced() -> None:
    assert decoded(b"a\xffb") == "a\ufffdb"


def test_usage_names_cached_and_reasoning_tokens_only_if_there_are_any() -> None:
    assert usage_text(Usage(1200, 0, 34, 0, 0)) == "in 1,200 · out 34"
    assert usage_text(Usage(1200, 7, 34, 5, 0)) == "in 1,200 (cached 7) · out 34 (reasoning 5)"
