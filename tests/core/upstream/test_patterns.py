from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from addons.core.upstream.patterns import at_first_use, before_turns, compile_before_turns

ROOT = Path(__file__).parents[3]
USERS = sorted(
    path
    for path in (ROOT / "addons").rglob("*.py")
    if "from addons.core.upstream.patterns import" in path.read_text()
)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str | bytes]:
    found: list[str | bytes] = []
    original = re.compile

    def compile_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
        found.append(pattern)
        return original(pattern, flags)

    monkeypatch.setattr("addons.core.upstream.patterns.re.compile", compile_pattern)
    return found


def test_pattern_is_compiled_once_and_not_before_it_is_used(compiled: list[str | bytes]) -> None:
    pattern = at_first_use(r"(a)\d", re.IGNORECASE)
    assert compiled == []
    for _ in range(2):
        assert pattern.search("xA1")
        assert pattern.fullmatch("b1") is None
    assert compiled == [r"(a)\d"]


@pytest.mark.parametrize(("text", "pattern"), [("aA a", "a"), (b"aA a", b"a")])
def test_attributes_are_those_of_the_compiled_pattern(text: Any, pattern: Any) -> None:
    for flags in (0, re.IGNORECASE):
        made, expected = at_first_use(pattern, flags), re.compile(pattern, flags)
        assert made.findall(text) == expected.findall(text)
        assert made.sub(pattern, text) == expected.sub(pattern, text)
        assert (made.pattern, made.flags) == (expected.pattern, expected.flags)
        assert isinstance(made, re.Pattern)


def test_damaged_pattern_is_an_error_of_its_use() -> None:
    with pytest.raises(re.PatternError if hasattr(re, "PatternError") else re.error):
        at_first_use("(").search("")


def test_patterns_of_turns_are_compiled_before_them(compiled: list[str | bytes]) -> None:
    pattern = before_turns("turn[s]")
    for _ in compile_before_turns():
        pass
    assert compiled[-1] == "turn[s]"
    count = len(compiled)
    assert pattern.match("turns")
    assert len(compiled) == count


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.stem)
def test_each_pattern_can_be_compiled(path: Path) -> None:
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for value in vars(module).values():
        if isinstance(value, re.Pattern):
            assert isinstance(re.compile(value.pattern, value.flags), re.Pattern)
