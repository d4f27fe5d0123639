"""The guard against a loss of speed: the ratios of this run against those that were recorded.

Only ratios of CPU times within a round are compared: they hold on any machine, also on a busy one. The recorded ones
are replaced by hand, with the change that moved them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.speed.bounds import BOUNDS, Round

RECORDED = Path(__file__).parent / "recorded.json"
LARGEST_LOSS = 0.25
BUSY_LOAD = 2.0
"""Processes that want to run, per core. The benchmark alone makes less than one and a half."""
SCENARIOS = ("first-delta", "cpu")
"""What gives the guarded ratios."""


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """The median ratios of a run."""
    found = {bound.name: bound.median(rounds) for bound in BOUNDS if bound.is_steady}
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def record(rounds: Sequence[Round]) -> None:
    """Keep these ratios as what later runs are held against."""
    RECORDED.write_bytes(orjson.dumps(ratios(rounds), option=orjson.OPT_INDENT_2))


def is_busy() -> bool:
    """Whether so much else runs here that even ratios of CPU times say little: cold caches cost each system its own."""
    return os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)


def losses(rounds: Sequence[Round]) -> dict[str, str]:
    """What is slower than recorded by more than a quarter: its name, and by how much."""
    recorded: dict[str, float] = orjson.loads(RECORDED.read_bytes())
    found: dict[str, str] = {}
    for name, now in ratios(rounds).items():
        before = recorded.get(name)
        if before is None:
            continue
        loss = now / before - 1
        if loss > LARGEST_LOSS:
            found[name] = f"{name}: {now:.2f}, recorded {before:.2f}: {loss:.0%} slower"
    return found
