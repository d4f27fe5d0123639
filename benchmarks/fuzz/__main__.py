"""Fuzz every parser of external data: `uv run python -m benchmarks.fuzz`. See `--help`.

An input that raises, breaks a property or takes too long ends the run. The error names its campaign, seed and
number, which repeat it: `--only NAME --seed S --first NUMBER --inputs 1`.
"""

from __future__ import annotations

import argparse
import resource
import signal
import time
from random import Random
from types import FrameType

from benchmarks.fuzz import listener
from benchmarks.fuzz.campaigns import CAMPAIGNS

DEFAULT_INPUTS = 1_000_000
LISTENER = "http"
MAX_SECONDS = 5.0
MAX_GROWTH_MIB = 200


class TooSlowError(Exception):
    """An input took longer than `MAX_SECONDS`."""


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError


def shares(inputs: int) -> dict[str, int]:
    """Return the number of inputs for each campaign."""
    parts = {name: inputs * share // 100 for name, (_, share) in CAMPAIGNS.items()}
    return {**parts, LISTENER: inputs - sum(parts.values())}


def run(name: str, inputs: int, seed: int, first: int = 0) -> float:
    """Run one campaign. Return its duration; raises the exception of an input with a note that identifies it."""
    started = time.monotonic()
    if name == LISTENER:
        listener.run(inputs, seed)
        return time.monotonic() - started
    campaign, _ = CAMPAIGNS[name]
    before = signal.signal(signal.SIGALRM, _too_slow)
    number = first
    try:
        for number in range(first, first + inputs):
            signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
            campaign(Random(f"{seed}/{name}/{number}"))  # noqa: S311  a seed makes it repeatable
    except BaseException as error:
        error.add_note(f"campaign {name}, seed {seed}, input {number}")
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return time.monotonic() - started


def memory_mib() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the campaigns and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=DEFAULT_INPUTS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=[*CAMPAIGNS, LISTENER])
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    plan = {arguments.only: arguments.inputs} if arguments.only else shares(arguments.inputs)
    print(f"fuzz: {arguments.inputs:,} inputs, seed {arguments.seed}", flush=True)
    for name, inputs in plan.items():
        run(name, min(inputs, 100), arguments.seed)
        before = memory_mib()
        seconds = run(name, inputs, arguments.seed, arguments.first)
        growth = memory_mib() - before
        print(f"{name:<12} {inputs:>9,} inputs  {seconds:8.1f} s  +{growth:.0f} MiB", flush=True)
        assert growth < MAX_GROWTH_MIB, f"{name} grew by {growth:.0f} MiB"
    print("no crash, no hang, no broken property")


if __name__ == "__main__":
    main()
