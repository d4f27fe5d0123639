"""The levels that each version of Codex accepts. Each row was measured with the binary of that version, if npm has it."""

from __future__ import annotations

import pytest

from addons.core.codex.reasoning_levels import (
    NEWEST_RULES,
    UNKNOWN_VERSION,
    accepted_entry,
    accepts_level,
)


def entry(default: object, *efforts: str) -> dict[str, object]:
    levels = [{"effort": effort, "description": ""} for effort in efforts]
    return {
        "slug": "gpt",
        "supported_reasoning_levels": levels,
        "default_reasoning_level": default,
        "more": 1,
    }


@pytest.mark.parametrize(
    ("given", "for_oldest"),
    [
        (entry("low", "low", "max"), entry("low", "low")),
        (entry("max", "low", "high", "max"), entry("high", "low", "high")),
        (entry("max", "max"), entry(None)),
        (entry(None, "low", "ultra"), entry(None, "low")),
    ],
)
def test_entry_of_the_account_loses_the_levels_that_an_old_codex_refuses(
    given: dict[str, object], for_oldest: dict[str, object]
) -> None:
    assert accepted_entry(given, "0.133.0") == for_oldest
    assert accepted_entry(given, "0.171.0") is given


@pytest.mark.parametrize("given", [entry("low", "low", "high"), {"slug": "gpt"}, entry(None)])
def test_accepted_entry_stays_the_same_object(given: dict[str, object]) -> None:
    assert accepted_entry(given, "0.133.0") is given


OLD = ("none", "minimal", "low", "medium", "high", "xhigh")
NEW = ("max", "ultra", "newer-than-our-table", "Max")


@pytest.mark.parametrize(
    ("version", "accepts_new"),
    [
        ("0.133.0", False),
        ("0.136.0", False),
        ("0.137.0", False),
        ("0.138.0", True),
        ("0.140.0", True),
        ("0.142.0", True),
        ("0.150.0", True),
        ("0.169.0", True),
        ("0.171.0", True),
        # not measured: other forms of a version
        ("0.99.0", False),
        ("0.138.0-alpha.1", False),
        ("0.139.0-alpha.1", True),
        ("0.138.0+build", True),
        ("1.0.0", True),
        (NEWEST_RULES, True),
        (UNKNOWN_VERSION, False),
        ("0.0.0", False),
        ("newest", False),
        ("0.171", False),
        ("9" * 5000 + ".0.0", False),
    ],
)
def test_levels_follow_the_version(version: str, accepts_new: bool) -> None:
    assert all(accepts_level(version, level) for level in OLD)
    assert [accepts_level(version, level) for level in NEW] == [accepts_new] * len(NEW)
    assert not accepts_level(version, ""), "no version of Codex accepts an empty name"
