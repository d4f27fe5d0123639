"""The guard against a loss of speed: the ratios of this run against those that were recorded.

Only ratios within a round are compared: they hold on any machine. The recorded ones are replaced by hand, with the
change that moved them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from benchmarks.speed.bounds import BOUNDS, Round

RECORDED = Path(__file__).parent / "recorded.json"
LARGEST_LOSS = 0.25


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """The median ratios of a run."""
    found = {bound.name: bound.median(rounds) for bound in BOUNDS if bound.is_ratio}
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def record(rounds: Sequence[Round]) -> None:
    """Keep these ratios as what later runs are held against."""
    RECORDED.write_bytes(orjson.dumps(ratios(rounds), option=orjson.OPT_INDENT_2))


def losses(rounds: Sequence[Round]) -> list[str]:
    """What is slower than recorded by more than a quarter."""
    recorded: dict[str, float] = orjson.loads(RECORDED.read_bytes())
    senses = {bound.name: bound.sense for bound in BOUNDS}
    found: list[str] = []
    for name, now in ratios(rounds).items():
        before = recorded.get(name)
        if before is None:
            continue
        loss = before / now - 1 if senses[name] == "≥" else now / before - 1
        if loss > LARGEST_LOSS:
            found.append(f"{name}: {now:.2f}, recorded {before:.2f}: {loss:.0%} slower")
    return found
