"""A small part of the fuzz campaigns. All of it: `uv run python -m benchmarks.fuzz`."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.fuzz.__main__ import LISTENER, TooSlowError, run, shares
from benchmarks.fuzz.campaigns import CAMPAIGNS
from benchmarks.fuzz.mutate import mutated, mutated_value, split_into_reads

INPUTS, SEED = 4000, 20261126


@pytest.mark.parametrize("name", [*CAMPAIGNS, LISTENER])
def test_part_of_every_campaign(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = min(shares(INPUTS)[name], 150 if name == LISTENER else INPUTS)
    run(name, inputs, SEED)
    with capsys.disabled():
        print(f"\nfuzz: {name}, {inputs} inputs, seed {SEED}")  # noqa: T201  CI shows size and seed


def test_input_that_raises_or_hangs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(rng: Random) -> None:
        assert rng.random() < 0.9

    def hangs(_: Random) -> None:
        while True:
            pass

    monkeypatch.setitem(CAMPAIGNS, "sse", (breaks, 1))
    with pytest.raises(AssertionError) as raised:
        run("sse", 1000, SEED)
    assert f"campaign sse, seed {SEED}, input " in str(raised.value.__notes__)
    monkeypatch.setitem(CAMPAIGNS, "sse", (hangs, 1))
    monkeypatch.setattr("benchmarks.fuzz.__main__.MAX_SECONDS", 0.05)
    with pytest.raises(TooSlowError):
        run("sse", 1, SEED)


def test_every_input_belongs_to_a_campaign() -> None:
    assert sum(shares(1_000_000).values()) == 1_000_000
    assert min(shares(1_000_000).values()) >= 10_000


def test_mutation_changes_data_and_division_into_reads_does_not() -> None:
    rng, data = Random(1), b"data: {}\n\n" * 9  # noqa: S311  repeatable
    assert len({mutated(data, (data,), rng) for _ in range(200)}) > 150
    assert b"".join(split_into_reads(data, rng)) == data
    assert mutated_value({"a": [1]}, rng) is not None
