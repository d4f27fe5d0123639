from __future__ import annotations

import pytest

from shim_cli.console.format import duration, model_count, rough_duration


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
