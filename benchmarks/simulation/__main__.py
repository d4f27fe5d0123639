"""Run episodes until the number of events, or the time, is reached.

    uv run python -m benchmarks.simulation --seconds 60 --seed 1
    uv run python -m benchmarks.simulation --events 10000000 --seed 1
    uv run python -m benchmarks.simulation --only 4711

Episode n of seed s has the seed s * 1,000,000 + n. A violation prints what happened in its episode and the command that
repeats it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from addons.proxy.engine.mitmproxy_patches.messages import skip_type_checks
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.episode import run_episode

SEEDS = 1_000_000


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.simulation", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=0, help="stop after this many events")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after this time")
    parser.add_argument("--only", type=int, help="run the episode with this seed")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    skip_type_checks()
    if arguments.only is not None:
        clock, _ = _run(arguments.only)
        print(*clock.trace, sep="\n")
        return
    began = time.monotonic()
    events = turns = episodes = 0
    while not _is_done(arguments, events, time.monotonic() - began):
        clock, ran = _run(arguments.seed * SEEDS + episodes)
        events, turns, episodes = events + clock.events, turns + ran, episodes + 1
    seconds = time.monotonic() - began
    print(
        f"{events:,} events, {turns:,} turns, {episodes:,} episodes in {seconds:.0f} s: no violation"
    )


def _is_done(arguments: argparse.Namespace, events: int, seconds: float) -> bool:
    if not arguments.events and not arguments.seconds:
        return seconds >= 60
    enough = bool(arguments.events) and events >= arguments.events
    return enough or (bool(arguments.seconds) and seconds >= arguments.seconds)


def _run(seed: int) -> tuple[Clock, int]:
    try:
        return run_episode(seed)
    except ViolationError as error:
        print(f"violation in episode {seed}: {error}", *error.__notes__, sep="\n")
        print(f"repeat it: uv run python -m benchmarks.simulation --only {seed}")
        sys.exit(1)


if __name__ == "__main__":
    main()
