"""Shares of a rate-limit window: exact where turns do not overlap, bounds elsewhere; the burn rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.telemetry.quota_shares import (
    IDLE_SECONDS,
    RESET_JITTER,
    Activity,
    Forecast,
    Reading,
    Share,
    Shares,
    forecast,
    periods,
    quota_shares,
)

RESET = 20_000.0


def readings(*points: tuple[float, float], resets_at: float | None = RESET) -> list[Reading]:
    return [Reading(at, used, resets_at) for at, used in points]


SEQUENCE = [Activity("a", 0, 9), Activity("b", 10, 19), Activity("a", 20, 29)]


def test_turns_that_do_not_overlap_have_exact_shares() -> None:
    found = quota_shares(readings((0, 10.5), (10, 12.5), (20, 15.75)), SEQUENCE)
    assert found == Shares(10.5, 5.25, {"a": Share(2.0, 2.0), "b": Share(3.25, 3.25)}, None)


def test_whole_numbers_are_taken_as_rounded() -> None:
    found = quota_shares(readings((0, 10), (10, 12), (20, 15)), SEQUENCE)
    assert found == Shares(10, 5.0, {"a": Share(1.0, 3.0), "b": Share(2.0, 4.0)}, None)


def test_consecutive_turns_of_one_key_are_rounded_once() -> None:
    found = quota_shares(readings((0, 10), (10, 12), (20, 15)), [
        Activity("a", 0, 9), Activity("a", 10, 19), Activity("a", 20, 29)
    ])  # fmt: skip
    assert found.by_key == {"a": Share(4.0, 6.0)}


def test_turns_that_overlap_have_ranges() -> None:
    overlapping = [Activity("a", 0, 15), Activity("b", 10, 19), Activity("c", 20, 29)]
    found = quota_shares(readings((0, 10.5), (10, 12.5), (20, 15.5)), overlapping)
    assert found.by_key == {"a": Share(2.0, 5.0), "b": Share(0.0, 3.0)}
    assert found.total == 5.0


def test_first_reading_is_before_and_the_last_turn_is_not_counted_yet() -> None:
    assert quota_shares([], SEQUENCE) == Shares(0.0, 0.0, {}, None)
    assert quota_shares(readings((0, 33.5)), SEQUENCE) == Shares(33.5, 0.0, {}, None)


def test_reset_starts_anew() -> None:
    before, after = readings((0, 90.5), (10, 92.5)), readings((20, 1.5), (30, 2.0), resets_at=RESET * 2)  # fmt: skip
    turns = [*SEQUENCE, Activity("c", 30, 39)]
    found = quota_shares([*before, *after], turns)
    assert found == Shares(90.5, 2.5, {"a": Share(2.5, 2.5)}, None)


@pytest.mark.parametrize(
    ("last", "reading", "count"),
    [
        (Reading(0, 50, RESET), Reading(1, 50, RESET + RESET_JITTER), 1),
        (Reading(0, 50, RESET), Reading(1, 50, RESET + RESET_JITTER + 1), 2),
        (Reading(0, 50, RESET), Reading(1, 49, RESET), 1),
        (Reading(0, 50, RESET), Reading(1, 48.9, RESET), 2),
        (Reading(0, 50, RESET), Reading(1, 51, None), 1),
        (Reading(0, 50, None), Reading(1, 20, None), 2),
    ],
)
def test_reset_is_another_reset_time_or_a_lower_figure(
    last: Reading, reading: Reading, count: int
) -> None:
    assert len(periods([last, reading])) == count


def test_late_reading_counts_nothing_twice() -> None:
    found = quota_shares(readings((0, 10.5), (10, 12.5), (11, 11.5), (20, 12.0)), SEQUENCE)
    assert found.total == 2.0


@pytest.mark.parametrize(
    ("idle", "elsewhere", "low"),
    [(IDLE_SECONDS, None, 2.0), (IDLE_SECONDS + 1, Share(0.0, 2.0), 0.0)],
)
def test_gain_after_a_long_pause_may_come_from_elsewhere(
    idle: float, elsewhere: Share | None, low: float
) -> None:
    found = quota_shares(readings((0, 10.5), (9 + idle, 12.5)), [Activity("a", 0, 9)])
    assert (found.by_key["a"], found.elsewhere) == (Share(low, 2.0), elsewhere)


def test_gain_without_a_turn_comes_from_elsewhere() -> None:
    assert quota_shares(readings((0, 1.5), (9, 2.0)), []).elsewhere == Share(0.5, 0.5)


# Any history ----------------------------------------------------------------------------------------------


class Used(NamedTuple):
    """A turn, and when the upstream counted what it used."""

    key: str
    began: int
    ended: int
    counted: float
    used: float


@st.composite
def turns(draw: st.DrawFn) -> list[Used]:
    began, made = 0, []
    for _ in range(draw(st.integers(1, 12))):
        began += draw(st.integers(1, 9))
        length = draw(st.integers(1, 20))
        counted = began + 0.5 + draw(st.integers(0, length - 1))
        used = draw(st.integers(0, 16)) / 4  # floats of this kind are added exactly
        made.append(Used(draw(st.sampled_from("abc")), began, began + length, counted, used))
    return made


def reported(history: list[Used], rounding: Callable[[float], float]) -> list[Reading]:
    """What the upstream says at the begin of each turn."""
    return [
        Reading(at, rounding(0.5 + sum(one.used for one in history if one.counted < at)), RESET)
        for at in [one.began for one in history]
    ]


def activities(history: list[Used]) -> list[Activity]:
    return [Activity(one.key, one.began, one.ended) for one in history]


def truth(history: list[Used]) -> dict[str, float]:
    """What each key used until the last reading."""
    sums = dict.fromkeys((one.key for one in history), 0.0)
    for one in history:
        sums[one.key] += one.used if one.counted < history[-1].began else 0.0
    return sums


@given(turns(), st.sampled_from([float, math.floor, round, math.ceil]))
def test_truth_is_within_the_bounds(
    history: list[Used], rounding: Callable[[float], float]
) -> None:
    """The true share of each key is within its range, for exact and for rounded readings."""
    points = [one._replace(used=float(one.used)) for one in reported(history, rounding)]
    found = quota_shares(points, activities(history))
    for key, used in truth(history).items():
        low, high = found.by_key.get(key, Share(0.0, 0.0))
        assert low <= used <= high


@given(turns(), st.sampled_from([float, math.floor]))
def test_bounds_surround_the_total(history: list[Used], rounding: Callable[[float], float]) -> None:
    """The lower bounds sum to at most the total, the upper bounds to at least the total."""
    points = [one._replace(used=float(one.used)) for one in reported(history, rounding)]
    found = quota_shares(points, activities(history))
    assert sum(one.low for one in found.by_key.values()) <= found.total
    assert found.total <= sum(one.high for one in found.by_key.values())
    assert all(0 <= one.low <= one.high for one in found.by_key.values())


@given(turns())
def test_shares_of_a_sequence_are_exact(history: list[Used]) -> None:
    """Turns that begin after the end of the one before have shares without a range."""
    moved: list[Used] = []
    for one in history:
        shift = max(0, (moved[-1].ended if moved else 0) - one.began)
        moved.append(one._replace(began=one.began + shift, ended=one.ended + shift, counted=one.counted + shift))  # fmt: skip
    points = [Reading(at, used + 0.125, resets) for at, used, resets in reported(moved, float)]
    found = quota_shares(points, activities(moved))
    expected = {key: Share(used, used) for key, used in truth(moved).items()}
    assert {key: found.by_key.get(key, Share(0, 0)) for key in expected} == expected
    assert sum(one.low for one in found.by_key.values()) == found.total


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 100), st.floats(0, 1e6))))
def test_any_readings_without_turns_are_elsewhere(points: list[tuple[float, float, float]]) -> None:
    """Readings in any order of values have a total, and no turn is charged with it."""
    found = quota_shares(sorted(Reading(*point) for point in points), [])
    assert found.total >= 0
    assert found.by_key == {}


# The burn rate --------------------------------------------------------------------------------------------

HOUR = 3600.0
FIVE_HOURS = 300
"""The window is measured over its last half hour."""


def test_window_is_empty_at_the_rate_of_its_last_part() -> None:
    points = readings((0, 0), (1 * HOUR, 60), (1.5 * HOUR, 70), (1.75 * HOUR, 75), resets_at=5 * HOUR)  # fmt: skip
    assert forecast(points, FIVE_HOURS, 2 * HOUR) == Forecast(10.0, 4.5 * HOUR)


def test_window_that_nothing_used_lately_lasts() -> None:
    points = readings((0, 0), (1.5 * HOUR, 70), (1.75 * HOUR, 75), resets_at=5 * HOUR)
    assert forecast(points, FIVE_HOURS, 3 * HOUR) == Forecast(0.0, None)


def test_slow_rate_lasts_until_the_reset() -> None:
    points = readings((0, 10), (0.5 * HOUR, 15), resets_at=5 * HOUR)
    assert forecast(points, FIVE_HOURS, 0.5 * HOUR) == Forecast(10.0, None)


def test_used_up_window_is_empty_since_its_last_reading() -> None:
    points = readings((0, 90), (60, 100), resets_at=5 * HOUR)
    assert forecast(points, FIVE_HOURS, 2 * HOUR) == Forecast(0.0, 60)


@pytest.mark.parametrize(
    "points",
    [
        [],
        readings((0, 10), (50, 20), resets_at=HOUR),
        readings((0, 10), (50, 20), resets_at=100.0),
        readings((0, 10), resets_at=HOUR * 2),
        readings((0, 10), (50, 20), resets_at=None),
    ],
)
def test_no_rate_without_two_readings_and_a_minute_before_the_reset(points: list[Reading]) -> None:
    assert (
        forecast(points, FIVE_HOURS, 59 if points and points[0].resets_at == HOUR else 200) is None
    )
