"""Markers: the pattern of many texts, their beginnings, and end tokens behind a text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.text_markers import (
    CLOSERS,
    ENDINGS,
    HEADS,
    OPENERS,
    any_of,
    beginnings,
    behind_markers,
    has_visible_text,
    without_endings,
)

ALL = (*OPENERS, *HEADS, *CLOSERS, *ENDINGS)


@given(st.lists(st.text("ab.|", min_size=1, max_size=4), min_size=1), st.text("ab.|c", max_size=12))
def test_pattern_finds_what_the_longest_text_first_would_find(texts: list[str], text: str) -> None:
    plain = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
    assert re.findall(any_of(texts), text) == re.findall(plain, text)


def test_pattern_matches_each_marker() -> None:
    pattern = re.compile(any_of(ALL))
    assert len(ALL) > 20
    assert [marker for marker in ALL if not pattern.fullmatch(marker)] == []


def test_beginnings_are_not_the_whole_text() -> None:
    assert beginnings("abc", "b") == {"a", "ab"}


@pytest.mark.parametrize(
    ("text", "bare"),
    [("a</s>\n<|im_end|> ", "a"), ("</s>", ""), ("</s> a ", "</s> a "), ("", ""), ("a ", "a ")],
)
def test_end_tokens_behind_a_text_are_removed(text: str, bare: str) -> None:
    assert without_endings(text) == bare


def test_markers_around_calls_are_left_out() -> None:
    assert behind_markers("<tool_call>\n</tool_call> ") == ""
    assert behind_markers("<tool_call>a</tool_call>") == "a</tool_call>"


def test_invisible_text_is_not_visible() -> None:
    assert not has_visible_text(" \u200b\n\ufeff \u2060")
    assert has_visible_text("\u200b.")
