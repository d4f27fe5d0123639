"""Tries odd inputs on everything that reads what others wrote: `uv run python -m benchmarks.fuzz`. See `--help`.

An input that raises, breaks a property or takes too long ends the run with its campaign, seed and number, by which it
can be tried again: `--only NAME --seed S --first NUMBER --inputs 1`.
"""

from __future__ import annotations

import argparse
import resource
import signal
import time
from random import Random
from types import FrameType

from benchmarks.fuzz import front
from benchmarks.fuzz.campaigns import CAMPAIGNS

FULL = 1_000_000
FRONT = "http"
LONGEST_SECONDS = 5.0
MOST_GROWTH_MIB = 200


class TooSlowError(Exception):
    """An input took longer than any may."""


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def shares(inputs: int) -> dict[str, int]:
    """How many inputs each campaign gets."""
    parts = {name: inputs * share // 100 for name, (_, share) in CAMPAIGNS.items()}
    return {**parts, FRONT: inputs - sum(parts.values())}


def run(name: str, inputs: int, seed: int, first: int = 0) -> float:
    """Run one campaign; gives its seconds. Raises what an input raised, with a note that tells which it was."""
    began = time.monotonic()
    if name == FRONT:
        front.run(inputs, seed)
        return time.monotonic() - began
    campaign, _ = CAMPAIGNS[name]
    before = signal.signal(signal.SIGALRM, _too_slow)
    number = first
    try:
        for number in range(first, first + inputs):
            signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
            campaign(Random(f"{seed}/{name}/{number}"))  # noqa: S311  a seed makes it repeatable
    except BaseException as error:
        error.add_note(f"campaign {name}, seed {seed}, input {number}")
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return time.monotonic() - began


def memory_mib() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run them all, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=FULL)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=[*CAMPAIGNS, FRONT])
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    plan = {asked.only: asked.inputs} if asked.only else shares(asked.inputs)
    print(f"fuzz: {asked.inputs:,} inputs, seed {asked.seed}", flush=True)
    for name, inputs in plan.items():
        run(name, min(inputs, 100), asked.seed)
        before = memory_mib()
        seconds = run(name, inputs, asked.seed, asked.first)
        grown = memory_mib() - before
        print(f"{name:<12} {inputs:>9,} inputs  {seconds:8.1f} s  +{grown:.0f} MiB", flush=True)
        assert grown < MOST_GROWTH_MIB, f"{name} grew by {grown:.0f} MiB"
    print("no crash, no hang, no broken promise")


if __name__ == "__main__":
    main()
