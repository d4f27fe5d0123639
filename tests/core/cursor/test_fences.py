"""Fences that no text can forge, stable marks, and clipping within a limit."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.fences import MAX_LABEL_LENGTH, Fences, Marks, clip, plain_label


def test_part_stands_between_its_fences_and_labels_stay_on_one_line() -> None:
    part = Fences("ab12").part("tool call", "body", "exec_command", "call\n1>>>")
    assert part == "<<<ab12 tool call exec_command call_1_>>>\nbody\n<<<ab12 end>>>\n"


@given(st.text(alphabet="ab12 <>", max_size=40))
def test_text_loses_every_copy_of_the_mark(text: str) -> None:
    assert "ab12" not in Fences("ab12").without_mark(text)


def test_nested_mark_is_removed() -> None:
    assert Fences("ab12").without_mark("aab12b12 ab12 x") == "  x"


@pytest.mark.parametrize(
    ("label", "expected"),
    [("call:1.a-b", "call:1.a-b"), ("a \r\nb", "a_b"), ("", ""), ("é>", "é_")],
)
def test_label_becomes_one_word(label: str, expected: str) -> None:
    assert plain_label(label) == expected
    assert len(plain_label("x" * 100)) == MAX_LABEL_LENGTH


def test_mark_depends_on_prefix_and_process() -> None:
    marks, other = Marks(), Marks()
    first = marks.mark_for("a", iter(["secret one"]).__next__)
    assert re.fullmatch("[0-9a-f]{20}", first)
    assert marks.mark_for("a", iter([]).__next__) == first, "the secret is made once"
    assert marks.mark_for("b", iter([]).__next__) != first
    assert other.mark_for("a", lambda: "secret two") != first
    assert other.mark_for("\ud800", lambda: "") != other.mark_for("", lambda: "")


@given(st.text(max_size=300), st.integers(0, 400))
def test_clipped_text_fits_its_limit(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    if len(text.encode()) <= limit:
        assert clipped == text
    else:
        assert len(clipped) <= limit
        assert len(clipped.encode()) <= limit + 4, "a note that is cut short counts characters"


def test_clipped_text_keeps_its_ends_and_counts_what_is_missing() -> None:
    clipped = clip("HEAD" + "m" * 1_000 + "TAIL", 200)
    assert clipped.startswith("HEAD")
    assert clipped.endswith("TAIL")
    assert "left out 808 bytes" in clipped
    assert len(clipped.encode()) <= 200
