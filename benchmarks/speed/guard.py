"""The guard against a loss of speed: it compares the ratios of a run with the recorded ones.

Only ratios of CPU times within a round are compared: they are valid on any machine, also on a busy one. The
recorded ratios are replaced by hand, in the commit that changes them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.speed.bounds import BOUNDS, Round

RECORDED = Path(__file__).parent / "recorded.json"
MAX_LOSS = 0.25
BUSY_LOAD = 2.0
"""Load average per core. The benchmark alone causes less than 1.5."""
SCENARIOS = ("first-delta", "cpu")
"""The scenarios that measure the guarded ratios."""


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the median ratios of a run."""
    found = {bound.name: bound.median(rounds) for bound in BOUNDS if bound.is_steady}
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def record(rounds: Sequence[Round]) -> None:
    """Write the ratios with which later runs are compared."""
    RECORDED.write_bytes(orjson.dumps(ratios(rounds), option=orjson.OPT_INDENT_2))


def is_busy() -> bool:
    """Return whether the machine is so busy that even ratios of CPU times are unreliable."""
    return os.getloadavg()[0] > BUSY_LOAD * (os.cpu_count() or 1)


def losses(rounds: Sequence[Round]) -> dict[str, str]:
    """Return name → description of every ratio that exceeds the recorded one by more than `MAX_LOSS`."""
    recorded: dict[str, float] = orjson.loads(RECORDED.read_bytes())
    found: dict[str, str] = {}
    for name, now in ratios(rounds).items():
        before = recorded.get(name)
        if before is None:
            continue
        loss = now / before - 1
        if loss > MAX_LOSS:
            found[name] = f"{name}: {now:.2f}, recorded {before:.2f}: {loss:.0%} slower"
    return found
