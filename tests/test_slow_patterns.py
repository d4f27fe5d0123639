"""The search for slow patterns finds each kind of them, and leaves the others alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import patterns


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("search", r"a+b"),
        ("findall", r"(\w+)=\"([^\"]*)\""),
        ("match", r"\s*[,;]?\s*(?=\{)"),
        ("fullmatch", r"(?=[a-z0-9]*[0-9])[a-z0-9]*[a-z0-9]{20,}[a-z0-9]*"),
        ("fullmatch", r"(?:(?:error|:)[\s:]*)+"),
        ("search", r"key: *(?:x *)? *z"),
        ("search", rb"\d+-"),
    ],
)
def test_slow_pattern_is_found(method: str, pattern: str | bytes) -> None:
    assert patterns.slow_text(re.compile(pattern), method)


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("match", r"a+b"),
        ("search", r"(?<!a)a++b"),
        ("search", r"a{1,20}b"),
        ("findall", r"(?m)^([^:]++):"),
        ("fullmatch", r"(?:error|[0-9]|(?P<quote>[\"'])x(?P=quote))[\s:]*+"),
    ],
)
def test_other_pattern_is_not(method: str, pattern: str) -> None:
    assert patterns.slow_text(re.compile(pattern), method) == ""


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
