"""Patterns of users are refused where they may be slow, and bounded where they have no end."""

from __future__ import annotations

import re
import time

import pytest

from addons.core.masking.user_pattern import MAX_PATTERN, MAX_REPEAT, MAX_WAYS, compile_pattern


def test_patterns_match_what_they_say() -> None:
    for pattern, value in (
        (r"ACME-\d+", "ACME-12345"),
        (r"(?i)acme-\d{4,8}", "AcMe-1234"),
        (r"\b[A-Z]{2}\d{6}\b", "AB123456"),
        (r"(?:\d{4}[ -]?){3}\d{4}", "1234 5678-90123456"),
        (r"PROJ[-_](?:alpha|beta)x*", "PROJ_beta"),
        (r"x{,5}abcd{e", "xxabcd{e"),
        (r"(?P<name>abcd)+?", "abcd"),
        (r"[]a]{4}", "]a]a"),
        (r"\d++abcd", "12abcd"),
        (r"[^\]\s]{5}", "abcde"),
        (r"\(\w{3}\.", "(abc."),
        (r"a{2,}bb", "aaabb"),
    ):
        found = compile_pattern(pattern).search(f"see {value} there")
        assert found, pattern
        assert value in f"see {found[0]} there", pattern


def test_a_repetition_without_an_end_gets_one() -> None:
    found = compile_pattern(r"KEY-\w+").search("KEY-" + "a" * 1000)
    assert found
    assert len(found[0]) == len("KEY-") + MAX_REPEAT


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[", "not a regular expression"),
        ("[[a]]{4}", "possible nested set at position 1: write a backslash"),
        ("a{2,1}bbbb", "not a regular expression"),
        (r"(a+)+b", f"more than {MAX_WAYS} ways"),
        (r"(a|aa)+bbbb", f"more than {MAX_WAYS} ways"),
        (r"\w+\w+\w+x", f"more than {MAX_WAYS} ways"),
        (r".*secret.*", f"more than {MAX_WAYS} ways"),
        (r"(?:a?){30}bbbb", f"more than {MAX_WAYS} ways"),
        (r"(\w)\1aaa", "refers to a group"),
        (r"(?=x)abcd", "does not take"),
        (r"(?<!x)abcd", "does not take"),
        (r"(?x) abcd", "does not take"),
        (r"\x41bcde", "write the character itself"),
        ("a*", "fewer than 4 characters"),
        ("abc", "fewer than 4 characters"),
        ("abcd|x", "fewer than 4 characters"),
        ("a{5000}", "more than 4096 characters"),
        ("x" * (MAX_PATTERN + 1), f"longer than {MAX_PATTERN}"),
        ("(?:" * 25 + "abcd" + ")" * 25, "groups in each other"),
    ],
)  # fmt: skip
def test_other_patterns_are_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        compile_pattern(pattern)


def test_no_accepted_pattern_takes_long() -> None:
    for pattern in (
        r"\w+@corp\.example",
        r"\d++abcd",
        r"(?:a?b?){2}c{1,20}dddd",
        r"[a-z]{1,16}[a-z]{1,20}00",
    ):
        compiled = compile_pattern(pattern)
        for text in ("a" * 20_000, "ab" * 10_000, "1" * 20_000):
            started = time.perf_counter()
            list(compiled.finditer(text))
            assert time.perf_counter() - started < 1, pattern
