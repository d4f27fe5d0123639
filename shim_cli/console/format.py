"""Durations and counts as text. Pure."""

from __future__ import annotations

from itertools import pairwise
from math import floor

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
_ONE_UNIT_FROM = 10


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `12 min 5 s`."""
    rest = int(seconds)
    parts: list[tuple[int, str]] = []
    for size, name in UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, name))
    return " ".join(f"{count} {name}" for count, name in parts[:2]) or "0 s"


def rough_duration(seconds: float) -> str:
    """Return a duration in its largest unit, or in two if the first count is small: `5 h`, `1 h 10 min`."""
    for (size, name), (next_size, next_name) in pairwise(UNITS):
        count, rest = divmod(int(seconds), size)
        if count:
            second = rest // next_size if count < _ONE_UNIT_FROM else 0
            return f"{count} {name}" + (f" {second} {next_name}" if second else "")
    return f"{int(seconds)} s"


def short_seconds(seconds: float) -> str:
    """Return a short time: `0.04 s`, `3.2 s`."""
    return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"


def model_count(count: int) -> str:
    """Return `1 model` or `N models`."""
    return counted(count, "model")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 turn`, `1,240 turns`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def percent(share: float) -> str:
    """Return a share as a whole percentage, rounded as the pages do: half a percent up."""
    return f"{floor(share * 100 + 0.5)}%"
