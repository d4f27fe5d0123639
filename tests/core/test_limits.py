from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from addons.core.limits import MIB, Limits, WrongLimit, limits_from, shown

DEFAULTS = Limits()


def test_nothing_set_gives_the_defaults() -> None:
    assert limits_from({}, {}) == (DEFAULTS, ())


def test_the_environment_wins_over_the_file() -> None:
    limits, wrong = limits_from(
        {"stall_seconds": 60, "body_bytes": 1000}, {"CODEX_SHIM_STALL_SECONDS": "1.5"}
    )
    assert limits == replace(DEFAULTS, stall_seconds=1.5, body_bytes=1000)
    assert wrong == ()


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_each_limit_can_be_set_in_both_places(name: str) -> None:
    from_file, _ = limits_from({name: 7}, {})
    from_env, _ = limits_from({}, {f"CODEX_SHIM_{name.upper()}": "7"})
    assert from_file == from_env == replace(DEFAULTS, **{name: 7})


@pytest.mark.parametrize(
    "value",
    [0, -1, True, "", "ten", "nan", "inf", "-inf", 10**400, [1], {}, 0.5, "0.9"],
    ids=repr,
)
def test_a_wrong_value_leaves_in_force_what_was(value: object) -> None:
    before = replace(DEFAULTS, body_bytes=5 * MIB)
    limits, wrong = limits_from({"body_bytes": value}, {}, before)
    assert limits == before
    assert wrong == (WrongLimit("body_bytes", "", f"{shown(value)} is not a number above 0"),)


def test_a_wrong_variable_is_called_by_its_name() -> None:
    limits, wrong = limits_from({"body_bytes": 5}, {"CODEX_SHIM_BODY_BYTES": "many"})
    assert limits == DEFAULTS
    assert wrong == (
        WrongLimit("body_bytes", "CODEX_SHIM_BODY_BYTES", "'many' is not a number above 0"),
    )


def test_an_unknown_limit_is_named() -> None:
    assert limits_from({"stall": 3}, {}) == (DEFAULTS, (WrongLimit("stall", "", "no such limit"),))


def test_bytes_are_whole_numbers() -> None:
    limits, _ = limits_from({"body_bytes": 10.7, "stall_seconds": 10.7}, {})
    assert (limits.body_bytes, limits.stall_seconds) == (10, 10.7)


def test_a_long_value_is_cut_in_a_message() -> None:
    assert shown("x" * 5000) == "'" + "x" * 59 + "…"


def test_the_documented_limits_are_all_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rows = re.findall(
        r"^\| `(\w+_(?:seconds|bytes|connections))` \| (\d+) \|", readme, re.MULTILINE
    )
    defaults = [(field.name, str(getattr(DEFAULTS, field.name))) for field in fields(Limits)]
    assert rows == [(name, value.removesuffix(".0")) for name, value in defaults]
