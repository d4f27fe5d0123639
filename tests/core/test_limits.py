"""Limits: from the file and the environment, with defaults."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from addons.core.limits import MIB, Limits, WrongLimit, limits_from, shown

DEFAULTS = Limits()


def test_defaults_apply_without_values() -> None:
    assert limits_from({}, {}) == (DEFAULTS, ())


def test_environment_wins_over_the_file() -> None:
    limits, wrong = limits_from(
        {"stall_seconds": 60, "body_bytes": 1000}, {"CODEX_SHIM_STALL_SECONDS": "1.5"}
    )
    assert limits == replace(DEFAULTS, stall_seconds=1.5, body_bytes=1000)
    assert wrong == ()


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_limit_can_be_set_in_the_file_and_in_the_environment(name: str) -> None:
    from_file, _ = limits_from({name: 7}, {})
    from_env, _ = limits_from({}, {f"CODEX_SHIM_{name.upper()}": "7"})
    assert from_file == from_env == replace(DEFAULTS, **{name: 7})


@pytest.mark.parametrize(
    "value",
    [0, -1, True, "", "ten", "nan", "inf", "-inf", 10**400, [1], {}, 0.5, "0.9"],
    ids=repr,
)
def test_unusable_value_leaves_the_previous_limit_in_force(value: object) -> None:
    before = replace(DEFAULTS, body_bytes=5 * MIB)
    limits, wrong = limits_from({"body_bytes": value}, {}, before)
    assert limits == before
    assert wrong == (WrongLimit("body_bytes", "", f"{shown(value)} is not a number above 0"),)


def test_unusable_variable_is_reported_by_its_name() -> None:
    limits, wrong = limits_from({"body_bytes": 5}, {"CODEX_SHIM_BODY_BYTES": "many"})
    assert limits == DEFAULTS
    assert wrong == (
        WrongLimit("body_bytes", "CODEX_SHIM_BODY_BYTES", "'many' is not a number above 0"),
    )


def test_unknown_limit_is_reported() -> None:
    assert limits_from({"stall": 3}, {}) == (DEFAULTS, (WrongLimit("stall", "", "no such limit"),))


def test_byte_limits_are_integers() -> None:
    limits, _ = limits_from({"body_bytes": 10.7, "stall_seconds": 10.7}, {})
    assert (limits.body_bytes, limits.stall_seconds) == (10, 10.7)


def test_long_value_is_cut_in_a_message() -> None:
    assert shown("x" * 5000) == "'" + "x" * 59 + "…"


def test_every_limit_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `(\w+_(?:seconds|bytes|connections))` \| (\d+) \|", page, re.MULTILINE)
    defaults = [(field.name, str(getattr(DEFAULTS, field.name))) for field in fields(Limits)]
    assert rows == [(name, value.removesuffix(".0")) for name, value in defaults]


@pytest.mark.parametrize(
    ("values", "env"),
    [({"spare_seconds": 7}, {}), ({}, {"CODEX_SHIM_SPARE_SECONDS": "7"})],
)
def test_former_names_are_still_read(values: dict[str, object], env: dict[str, str]) -> None:
    limits, wrong = limits_from(values, env)
    assert (limits.pool_idle_seconds, wrong) == (7, ())


def test_current_name_wins_over_the_former_one() -> None:
    limits, wrong = limits_from({"spare_seconds": 7, "pool_idle_seconds": 9}, {})
    assert (limits.pool_idle_seconds, wrong) == (9, ())


@pytest.mark.parametrize("name", ["pool_idle_seconds", "spare_seconds"])
@pytest.mark.parametrize("zero", [0, 0.0, "0"])
def test_zero_switches_the_pool_off(name: str, zero: object) -> None:
    limits, wrong = limits_from({name: zero}, {})
    assert (limits.pool_idle_seconds, wrong) == (0, ())


@pytest.mark.parametrize("value", [-1, "nan", "inf", True])
def test_pool_takes_no_other_number_than_zero_and_above(value: object) -> None:
    limits, wrong = limits_from({"pool_idle_seconds": value}, {})
    assert limits == DEFAULTS
    assert [one.reason for one in wrong] == [f"{shown(value)} is not a number of at least 0"]
