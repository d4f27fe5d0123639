"""The bounds of the figures: a name, the value of a round, and the limit."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.speed.scenarios import CONNECTIONS_EACH, Figures

DIRECT, BARE, SHIM = "no proxy", "bare mitmdump", "codex-shim"
Round = Mapping[str, Figures]
"""System → its figures of one round."""
Value = Callable[[Round], float]
ROUTES = ("ChatGPT", "chat", "messages")


@dataclass(frozen=True, slots=True)
class Bound:
    """One line of the table. The median of `value` over the rounds counts."""

    name: str
    value: Value
    sense: Literal["≥", "≤"]
    limit: float
    is_ratio: bool = True
    """A ratio within a round is valid on any machine."""
    is_steady: bool = False
    """A ratio of CPU times is valid on a busy machine, too. Only these are guarded."""

    def median(self, rounds: Sequence[Round]) -> float | None:
        """Return the median over the rounds that measured it."""
        values: list[float] = []
        for each in rounds:
            try:
                values.append(self.value(each))
            except KeyError:
                continue
        return statistics.median(values) if values else None

    def holds(self, value: float) -> bool:
        """Return whether a value is within the bound."""
        return value >= self.limit if self.sense == "≥" else value <= self.limit


def _ratio(figure: str) -> Value:
    return lambda each: each[SHIM][figure] / each[BARE][figure]


def _added(figure: str) -> Value:
    """Return the time that the shim adds, divided by the time that a bare mitmdump adds."""

    def value(each: Round) -> float:
        direct = each[DIRECT][figure]
        return (each[SHIM][figure] - direct) / (each[BARE][figure] - direct)

    return value


def _own(figure: str) -> Value:
    return lambda each: each[SHIM][figure]


def _flat(route: str, rate: float, cpu: float) -> list[Bound]:
    found = [Bound(f"50x500 {route}: deltas/s vs bare", _ratio(f"{route} deltas/s"), "≥", rate)]
    value = _ratio(f"{route} CPU ms/1,000 deltas")
    name = f"50x500 {route}: CPU per delta vs bare"
    return [*found, Bound(name, value, "≤", cpu)]


def _absolute(name: str, figure: str, limit: float) -> Bound:
    return Bound(name, _own(figure), "≤", limit, is_ratio=False)


BOUNDS: tuple[Bound, ...] = (
    *(bound for route in ROUTES for bound in _flat(route, 3.0, 0.42)),
    *(
        Bound(f"CPU of a turn of 5 deltas, {route}", _ratio(f"{route} CPU ms/turn"), "≤", 1.0, is_steady=True)
        for route in ROUTES
    ),
    *(
        Bound(f"CPU per delta, {reads} a read, {route}", _ratio(f"{route} CPU ms/1,000 deltas, {reads} a read"), "≤", limit, is_steady=True)
        for route in ROUTES
        for reads, limit in (("one", 1.0), ("25", 0.42))
    ),
    *(
        Bound(f"added time to first delta, {route}", _added(f"{route} first delta ms"), "≤", limit)
        for route, limit in (("ChatGPT", 0.60), ("chat", 0.75), ("messages", 0.75))
    ),
    *(
        Bound(f"{name}, a connection each, {route}", value(f"{route} {figure}, a connection each"), "≤", limit)
        for name, figure, value, limits in (
            ("added time to first delta", "first delta ms", _added, (0.38, 0.45)),
            ("CPU of a turn of 5 deltas", "CPU ms/turn", _ratio, (0.36, 0.43)),
        )
        for route, limit in zip(ROUTES, limits, strict=False)
    ),
    *(_absolute(f"200 slow {route} streams p50 ms", f"{route} 200 slow p50 ms", 0.6) for route in ROUTES),
    *(_absolute(f"200 slow {route} streams p99 ms", f"{route} 200 slow p99 ms", 10) for route in ROUTES),
    *(Bound(f"200 slow {route} streams p50 vs bare", _ratio(f"{route} 200 slow p50 ms"), "≤", 1.15) for route in ROUTES),
    *(
        Bound(f"10 MB {route} body, added time vs bare", _added(f"{route} 10 MB body ms"), "≤", limit)
        for route, limit in (("ChatGPT", 0.60), ("chat", 1.4), ("messages", 1.6))
    ),
    _absolute("20 slow streams beside 10 MB turns p99 ms", "20 slow beside 10 MB p99 ms", 15),
    _absolute("upstream connections per 200 turns", "upstream connections per 200 turns", 2),
    _absolute(CONNECTIONS_EACH, CONNECTIONS_EACH, 2),
    _absolute("start to first answer s", "start to first answer s", 0.7),
    _absolute("`list` s", "`list` s", 0.12),
    _absolute("RSS idle MiB", "RSS idle MiB", 74),
    _absolute("RSS at 200 streams MiB", "RSS at 200 streams MiB", 120),
    _absolute("RSS growth, turn 2,000 to 20,000 MiB", "RSS growth from turn 2,000 to 20,000 MiB", 2),
)  # fmt: skip
