"""The search for slow patterns finds each kind of them, and leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import patterns

SLOW: list[tuple[str, str | bytes]] = [
    ("search", r"a+b"),
    ("findall", r"(\w+)=\"([^\"]*)\""),
    ("match", r"\s*[,;]?\s*(?=\{)"),
    ("fullmatch", r"(?=[a-z0-9]*[0-9])[a-z0-9]*[a-z0-9]{20,}[a-z0-9]*"),
    ("fullmatch", r"(?:(?:error|:)[\s:]*)+"),
    ("search", r"key: *(?:x *)? *z"),
    ("search", rb"\d+-"),
    ("findall", r"data: (.+)\n\n"),
]
QUICK = [
    ("match", r"a+b"),
    ("search", r"(?<!a)a++b"),
    ("search", r"a{1,20}b"),
    ("findall", r"(?m)^([^:]++):"),
    ("fullmatch", r"(?:error|[0-9]|(?P<quote>[\"'])x(?P=quote))[\s:]*+"),
]


def test_slow_pattern_is_found() -> None:
    method, pattern = SLOW[0]
    assert patterns.slow_text(re.compile(pattern), method)


def test_each_kind_of_slow_pattern_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_texts(monkeypatch)
    missed = [
        (method, pattern)
        for method, pattern in SLOW
        if not patterns.slow_text(re.compile(pattern), method)
    ]
    assert missed == []


@pytest.mark.parametrize("shorter", [False, True])
def test_other_pattern_is_not(monkeypatch: pytest.MonkeyPatch, shorter: bool) -> None:
    if shorter:
        shorten_texts(monkeypatch)
    texts = [patterns.slow_text(re.compile(pattern), method) for method, pattern in QUICK]
    assert texts == [""] * len(QUICK)


def shorten_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a quarter of each length, and a sixteenth of each time: so much less time does a quadratic pattern need."""
    monkeypatch.setattr(patterns, "SIZES", tuple(size // 4 for size in patterns.SIZES))
    for name in ("MIN_SMALL_SECONDS", "MIN_SECONDS", "GIVE_UP_SECONDS"):
        monkeypatch.setattr(patterns, name, getattr(patterns, name) / 16)


def test_patterns_of_the_product_are_found_with_their_methods() -> None:
    found = {
        name: methods
        for name, _, methods in patterns.patterns_of(
            Path(patterns.ROOT, "addons/core/masking/echoes.py")
        )
    }
    assert found == {
        "ESCAPE": ("findall",),
        "_ESCAPE_SIGNS": ("search",),
        "_SCHEME": ("findall",),
        "_SEPARATORS": ("findall",),
    }
