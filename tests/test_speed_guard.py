"""The guard against a loss of speed: when it reports one."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmarks.speed import guard, report
from benchmarks.speed.bounds import BARE, SHIM, Round

NAME = "CPU of a turn of 5 deltas, chat"


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "recorded.json"
    file.write_bytes(orjson.dumps({NAME: 0.8}))
    monkeypatch.setattr(guard, "RECORDED", file)


def measured(*ratios: float) -> list[Round]:
    figure = "chat CPU ms/turn"
    return [{BARE: {figure: 2.0}, SHIM: {figure: 2.0 * ratio}} for ratio in ratios]


def test_small_difference_is_not_a_loss() -> None:
    assert guard.losses(measured(0.99, 0.99, 0.99)) == {}


def test_median_above_a_quarter_is_a_loss() -> None:
    assert guard.losses(measured(0.5, 1.02, 1.1)).keys() == {NAME}


def test_one_bad_round_is_not_a_loss() -> None:
    assert guard.losses(measured(0.8, 0.8, 3.0)) == {}


def test_figure_without_a_recorded_value_is_ignored() -> None:
    rounds = [{BARE: {"messages CPU ms/turn": 1.0}, SHIM: {"messages CPU ms/turn": 9.0}}]
    assert guard.losses(rounds) == {}


def test_report_says_which_bounds_are_kept() -> None:
    text = report.markdown(measured(0.9), "command")
    assert f"| {NAME} | 0.90 | ≤ 1 | kept |" in text
    each = {"chat CPU ms/turn, a connection each": 1.0}
    name = "CPU of a turn of 5 deltas, a connection each, chat"
    assert f"| {name} | 1.00 | ≤ 0.43 | **missed** |" in report.markdown(
        [{BARE: each, SHIM: each}], ""
    )
