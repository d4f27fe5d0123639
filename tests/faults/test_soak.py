"""The soak's own judgement, and a short run of it. The whole: `uv run python -m benchmarks.soak`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.soak.__main__ import growth, judge, soak
from benchmarks.soak.turns import FAULTS, turn_of
from tests.faults.routes import ROUTES

SEED, TURNS = 7, 150


def test_equal_seeds_give_equal_turns_and_no_two_say_the_same() -> None:
    turns = [turn_of(number, SEED) for number in range(1000)]
    assert turns == [turn_of(number, SEED) for number in range(1000)]
    # the demo says one thing alone
    spoken = [turn for turn in turns if turn.route.name != "demo"]
    assert len({turn.digest for turn in spoken}) == len(spoken)
    assert {turn.route.name for turn in turns} == {route.name for route in ROUTES}
    assert {turn.fault for turn in turns} == set(FAULTS)


def test_each_way_to_be_wrong_is_seen() -> None:
    whole = next(t for n in range(99) if (t := turn_of(n, SEED)).fault == "none")
    cut = next(t for n in range(999) if (t := turn_of(n, SEED)).fault == "cut")
    said, done = "".join(whole.parts), "response.completed"
    assert judge(whole, done, 200, said) == ""
    assert "another content" in judge(whole, done, 200, said + said)
    assert "another content" in judge(whole, done, 200, "".join(cut.parts))
    assert "not whole" in judge(whole, "response.failed", 200, said)
    assert "broke off" in judge(cut, done, 200, "".join(cut.parts))
    assert "no terminal" in judge(cut, "", 200, "")
    assert judge(cut, "response.failed", 200, "") == ""


def test_growth_is_seen_after_the_warming_up_alone() -> None:
    assert growth([(n, 50.0 if n < 5 else 90.0) for n in range(20)]) == 0
    assert growth([(n, 50.0 + n) for n in range(20)]) > 5


@pytest.mark.timeout(180)
async def test_a_short_run_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = await soak(
        Namespace(turns=TURNS, at_once=20, pause=0.001, minutes=2.0, stall=8.0, seed=SEED), tmp_path
    )
    assert code == 0, capsys.readouterr().out
