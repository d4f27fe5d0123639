"""A slice of the fuzz campaigns. The whole: `uv run python -m benchmarks.fuzz`."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.fuzz.__main__ import FRONT, TooSlowError, run, shares
from benchmarks.fuzz.campaigns import CAMPAIGNS
from benchmarks.fuzz.mutate import mutated, other_value, reads

SLICE, SEED = 4000, 20261126


@pytest.mark.parametrize("name", [*CAMPAIGNS, FRONT])
def test_a_slice_of_every_campaign(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = min(shares(SLICE)[name], 150 if name == FRONT else SLICE)
    run(name, inputs, SEED)
    with capsys.disabled():
        print(f"\nfuzz slice: {name}, {inputs} inputs, seed {SEED}")  # noqa: T201  CI shows size and seed


def test_an_input_that_raises_or_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(rng: Random) -> None:
        assert rng.random() < 0.9

    def hangs(_: Random) -> None:
        while True:
            pass

    monkeypatch.setitem(CAMPAIGNS, "sse", (breaks, 1))
    with pytest.raises(AssertionError) as told:
        run("sse", 1000, SEED)
    assert f"campaign sse, seed {SEED}, input " in str(told.value.__notes__)
    monkeypatch.setitem(CAMPAIGNS, "sse", (hangs, 1))
    monkeypatch.setattr("benchmarks.fuzz.__main__.LONGEST_SECONDS", 0.05)
    with pytest.raises(TooSlowError):
        run("sse", 1, SEED)


def test_all_inputs_are_given_out() -> None:
    assert sum(shares(1_000_000).values()) == 1_000_000
    assert min(shares(1_000_000).values()) >= 10_000


def test_mutations_change_and_cuts_do_not() -> None:
    rng, data = Random(1), b"data: {}\n\n" * 9  # noqa: S311  repeatable
    assert len({mutated(data, (data,), rng) for _ in range(200)}) > 150
    assert b"".join(reads(data, rng)) == data
    assert other_value({"a": [1]}, rng) is not None
