from __future__ import annotations

import pytest

from shim_cli.console.format import (
    counted,
    duration,
    model_count,
    percent,
    rough_duration,
    short_seconds,
)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 min"),
        (100_000, "1 d 3 h"),
    ],
)
def test_duration_has_two_units(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (300, "5 min"), (4230, "1 h 10 min"), (18_000, "5 h"), (604_800, "7 d")],
)  # fmt: skip
def test_rough_duration(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 models"), (1, "1 model"), (12, "12 models")])
def test_model_count(count: int, text: str) -> None:
    assert model_count(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 turns"), (1, "1 turn"), (1240, "1,240 turns")])
def test_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert counted(count, "turn") == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (0.125, "13%"), (0.135, "14%"), (0.1349, "13%"), (1.0, "100%")]
)
def test_half_a_percent_is_rounded_up_as_on_the_pages(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0049, "0.00 s"), (0.04, "0.04 s"), (1, "1.0 s"), (12.34, "12.3 s")]
)
def test_time_below_a_second_has_two_places(seconds: float, text: str) -> None:
    assert short_seconds(seconds) == text
