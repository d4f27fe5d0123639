"""What is measured of a system: one function a scenario, each gives named figures. A round measures each once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.speed.load import Outcome
from benchmarks.speed.systems import System, begun, control, finished, load
from benchmarks.speed.wire import Dialect

DIALECTS: tuple[Dialect, ...] = ("responses", "chat", "messages")
ROUTES: Mapping[Dialect, str] = {
    "responses": "ChatGPT",
    "chat": "chat",
    "messages": "messages",
}
Figures = dict[str, float]
SETTLED_SECONDS = 4.0
CONNECTIONS_EACH = "upstream connections per 200 turns, a connection each"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario works on."""

    system: System
    upstream_port: int
    upstream_scheme: str = "http"
    scale: float = 1.0
    """Below 1 for a quick look: fewer turns, fewer deltas, less time."""

    def answers(self, deltas: int, pause: float = 0.0, batch: int = 1) -> dict[str, int]:
        """Tell the upstream how to answer; give what it has counted since the last time."""
        port, scheme = self.upstream_port, self.upstream_scheme
        return control(port, scheme, deltas=deltas, pause=pause, batch=batch)

    def scaled(self, count: int) -> int:
        """A count at this scale, at least 1."""
        return max(1, round(count * self.scale))


Scenario = Callable[[Stage], Figures]


def first_delta(stage: Stage) -> Figures:
    """One stream: the median time from a request to its first delta, and CPU a turn of 5 deltas, in ms."""
    stage.answers(5)
    figures: Figures = {}
    turns = stage.scaled(100)
    for dialect in DIALECTS:
        # a connection's first turns are no measure
        load(stage.system.job(dialect, deltas=5, turns=10))
        before = stage.system.cpu_seconds
        outcome = load(stage.system.job(dialect, deltas=5, turns=turns, warm_up=10))
        used = stage.system.cpu_seconds - before
        figures[f"{ROUTES[dialect]} first delta ms"] = _median_ms(outcome)
        figures[f"{ROUTES[dialect]} CPU ms/turn"] = used * 1e3 / (turns + 10)
    return figures


def a_connection_each(stage: Stage) -> Figures:
    """Turns as Codex makes them, each on a connection of its own: the median time from connecting to the first delta."""
    stage.answers(5)
    figures: Figures = {}
    for dialect in DIALECTS:
        job = stage.system.job(dialect, deltas=5, turns=stage.scaled(100), warm_up=10, fresh=True)
        figures[f"{ROUTES[dialect]} first delta ms, a connection each"] = _median_ms(load(job))
    return figures


def flat_out(stage: Stage) -> Figures:
    """50 streams of 500 deltas as fast as they go: deltas a second, and CPU in ms a thousand deltas."""
    stage.answers(500)
    figures: Figures = {}
    for dialect in DIALECTS:
        load(stage.system.job(dialect, deltas=500, streams=4))
        before = stage.system.cpu_seconds
        turns = stage.scaled(2)
        outcome = load(stage.system.job(dialect, deltas=500, streams=50, turns=turns))
        used = stage.system.cpu_seconds - before
        figures[f"{ROUTES[dialect]} deltas/s"] = outcome.deltas / outcome.seconds
        figures[f"{ROUTES[dialect]} CPU ms/1,000 deltas"] = used * 1e6 / outcome.deltas
    return figures


def cpu(stage: Stage) -> Figures:
    """CPU in ms a thousand deltas when a read brings one delta, and when it brings 25.

    In `flat_out` the load of the machine decides that, so it cannot be held against another machine's figures.
    """
    figures: Figures = {}
    for dialect in DIALECTS if stage.system.process else ():
        for name, batch, streams in (("one", 1, 30), ("25", 25, 40)):
            deltas = 20 * batch
            stage.answers(deltas, 0.05, batch)
            before = stage.system.cpu_seconds
            job = stage.system.job(dialect, deltas=deltas, streams=streams, stagger=0.003)
            outcome = load(job)
            used = stage.system.cpu_seconds - before
            figure = f"{ROUTES[dialect]} CPU ms/1,000 deltas, {name} a read"
            figures[figure] = used * 1e6 / outcome.deltas
    return figures


def slow_streams(stage: Stage) -> Figures:
    """200 streams with a delta every 100 ms: how long a delta takes, in ms."""
    deltas = stage.scaled(50)
    stage.answers(deltas, 0.1)
    figures: Figures = {}
    for dialect in DIALECTS:
        # spread over ten of the pauses, so that they do not all speak at the same moment
        outcome = load(stage.system.job(dialect, deltas=deltas, streams=200, stagger=0.005))
        figures |= _percentiles(f"{ROUTES[dialect]} 200 slow", outcome.latencies)
    return figures


def bodies(stage: Stage) -> Figures:
    """One stream with a large request: the median time to the first delta, in ms."""
    stage.answers(5)
    figures: Figures = {}
    for dialect in ("responses", "chat"):
        for name, size in (("100 KB", 100_000), ("1 MB", 1_000_000), ("10 MB", 10_000_000)):
            job = stage.system.job(dialect, deltas=5, turns=5, warm_up=1, body_bytes=size)
            figures[f"{ROUTES[dialect]} {name} body ms"] = _median_ms(load(job))
    return figures


def behind_large_bodies(stage: Stage) -> Figures:
    """20 slow streams while 10 MB turns pass: how long a delta of the slow ones takes, in ms."""
    deltas = stage.scaled(100)
    stage.answers(deltas, 0.05)
    slow = begun(stage.system.job("chat", deltas=deltas, streams=20, turns=2, stagger=0.003))
    # four at a time, each as long as a slow stream: about one such request a second
    load(stage.system.job("chat", deltas=deltas, body_bytes=10_000_000, streams=4, stagger=1.0))
    figures = _percentiles("20 slow beside 10 MB", finished(slow).latencies)
    time.sleep(SETTLED_SECONDS)
    return {**figures, "RSS after 10 MB turns MiB": stage.system.rss_mib}


def upstream_connections(stage: Stage) -> Figures:
    """200 turns, on one client connection and on one each: how many connections the upstream saw."""
    figures: Figures = {}
    for name, fresh in (("upstream connections per 200 turns", False), (CONNECTIONS_EACH, True)):
        stage.answers(5)
        load(stage.system.job("chat", deltas=5, turns=200, fresh=fresh))
        figures[name] = stage.answers(5)["connections"]
    return figures


SCENARIOS: Mapping[str, Scenario] = {
    "first-delta": first_delta,
    "a-connection-each": a_connection_each,
    "flat-out": flat_out,
    "cpu": cpu,
    "slow-streams": slow_streams,
    "bodies": bodies,
    "behind-large-bodies": behind_large_bodies,
    "connections": upstream_connections,
}


ABSOLUTE = frozenset({"slow-streams", "behind-large-bodies", "connections"})
"""What is held to figures of its own: the other systems are measured once, to show where the machine stands."""


def _median_ms(outcome: Outcome) -> float:
    return statistics.median(outcome.first_delta) * 1000


def _percentiles(name: str, seconds: list[float]) -> Figures:
    ranked = sorted(seconds)
    return {
        f"{name} p50 ms": ranked[len(ranked) // 2] * 1000,
        f"{name} p99 ms": ranked[int(len(ranked) * 0.99)] * 1000,
    }
