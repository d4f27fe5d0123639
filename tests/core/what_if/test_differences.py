"""How two texts differ."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.core.what_if.differences import differences

WORDS = st.lists(st.sampled_from(["a", "b", "c ", "d\n", " ", "\n\n", "ä"]), max_size=30).map(
    "".join
)


@settings(max_examples=60)
@given(WORDS, WORDS)
def test_pieces_of_a_text_are_that_text(first: str, second: str) -> None:
    pieces = differences(first, second)
    assert "".join(text for kind, text in pieces if kind != "added") == first
    assert "".join(text for kind, text in pieces if kind != "removed") == second
    if first == second:
        assert {kind for kind, _ in pieces} <= {"same"}


def test_changed_word_is_found() -> None:
    text = "the quick {} fox jumps over it"
    assert differences(text.format("brown"), text.format("red")) == [
        ("same", "the quick "), ("removed", "brown "), ("added", "red "), ("same", "fox jumps over it"),
    ]  # fmt: skip


def test_words_that_are_common_by_chance_are_no_islands() -> None:
    pieces = differences("one the two a three", "four the five a six")
    assert [kind for kind, _ in pieces] == ["removed", "added"]


@pytest.mark.parametrize("unit", ["a b\n", "w{} x\n"])
def test_long_texts_are_compared_by_lines_and_in_time(unit: str) -> None:
    lines = [unit.format(number) for number in range(900)]
    start = time.process_time()
    pieces = differences("".join(lines), "".join([*lines[:450], "new\n", *lines[450:]]))
    assert time.process_time() - start < 5
    assert [(kind, text) for kind, text in pieces if kind != "same"] == [("added", "new\n")]


def test_texts_that_are_too_long_to_compare_differ_as_a_whole() -> None:
    first, second = "a\n" * 3000, "b\n" * 3000
    assert differences(first, second) == [("removed", first), ("added", second)]
