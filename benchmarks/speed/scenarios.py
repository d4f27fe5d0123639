"""The scenarios of the benchmark. Each function measures a system and returns named figures. A round runs each once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.speed.load import Outcome
from benchmarks.speed.protocols import Protocol
from benchmarks.speed.systems import System, control, finish_load, load, start_load

ROUTES: Mapping[Protocol, str] = {
    "responses": "ChatGPT",
    "chat": "chat",
    "messages": "messages",
}
Figures = dict[str, float]
SETTLED_SECONDS = 4.0
CONNECTIONS_EACH = "upstream connections per 200 turns, a connection each"


@dataclass(frozen=True, slots=True)
class Setup:
    """The system and the upstream of a scenario."""

    system: System
    upstream_port: int
    upstream_scheme: str = "http"
    scale: float = 1.0
    """Below 1 for a quick run with fewer turns and deltas."""

    def answers(self, deltas: int, pause: float = 0.0, batch: int = 1) -> dict[str, int]:
        """Set how the upstream answers. Return its counts since the last call."""
        port, scheme = self.upstream_port, self.upstream_scheme
        return control(port, scheme, deltas=deltas, pause=pause, batch=batch)

    def scaled(self, count: int) -> int:
        """Return a count at this scale, at least 1."""
        return max(1, round(count * self.scale))


Scenario = Callable[[Setup], Figures]


def first_delta(setup: Setup) -> Figures:
    """Measure one stream: the time from a request to its first delta, and CPU of a turn of 5 deltas, in ms."""
    setup.answers(5)
    figures: Figures = {}
    turns = setup.scaled(100)
    for protocol in setup.system.routes:
        # The first turns of a connection are not representative.
        load(setup.system.job(protocol, deltas=5, turns=10))
        before = setup.system.cpu_seconds
        outcome = load(setup.system.job(protocol, deltas=5, turns=turns, warm_up=10))
        used = setup.system.cpu_seconds - before
        figures[f"{ROUTES[protocol]} first delta ms"] = _median_ms(outcome)
        figures[f"{ROUTES[protocol]} CPU ms/turn"] = used * 1e3 / (turns + 10)
    return figures


def a_connection_each(setup: Setup) -> Figures:
    """Measure turns on new connections, as with Codex: from connecting to the first delta, and CPU of a turn, in ms."""
    setup.answers(5)
    figures: Figures = {}
    turns = setup.scaled(100)
    for protocol in setup.system.routes:
        job = setup.system.job(protocol, deltas=5, turns=turns, warm_up=10, fresh=True)
        before = setup.system.cpu_seconds
        outcome = load(job)
        used = setup.system.cpu_seconds - before
        figures[f"{ROUTES[protocol]} first delta ms, a connection each"] = _median_ms(outcome)
        figures[f"{ROUTES[protocol]} CPU ms/turn, a connection each"] = used * 1e3 / (turns + 10)
    return figures


def flat_out(setup: Setup) -> Figures:
    """Measure 50 streams of 500 deltas at full speed: deltas a second, and CPU in ms per thousand deltas."""
    setup.answers(500)
    figures: Figures = {}
    for protocol in setup.system.routes:
        load(setup.system.job(protocol, deltas=500, streams=4))
        before = setup.system.cpu_seconds
        turns = setup.scaled(2)
        outcome = load(setup.system.job(protocol, deltas=500, streams=50, turns=turns))
        used = setup.system.cpu_seconds - before
        figures[f"{ROUTES[protocol]} deltas/s"] = outcome.deltas / outcome.seconds
        figures[f"{ROUTES[protocol]} CPU ms/1,000 deltas"] = used * 1e6 / outcome.deltas
    return figures


def cpu(setup: Setup) -> Figures:
    """Measure CPU in ms per thousand deltas with one delta a read and with 25.

    In `flat_out` the load of the machine determines the deltas a read, so its figures differ between machines.
    """
    figures: Figures = {}
    for protocol in setup.system.routes if setup.system.process else ():
        for name, batch, streams in (("one", 1, 30), ("25", 25, 40)):
            deltas = 20 * batch
            setup.answers(deltas, 0.05, batch)
            before = setup.system.cpu_seconds
            job = setup.system.job(protocol, deltas=deltas, streams=streams, stagger=0.003)
            outcome = load(job)
            used = setup.system.cpu_seconds - before
            figure = f"{ROUTES[protocol]} CPU ms/1,000 deltas, {name} a read"
            figures[figure] = used * 1e6 / outcome.deltas
    return figures


def slow_streams(setup: Setup) -> Figures:
    """Measure 200 streams with a delta every 100 ms: the latency of a delta, in ms."""
    deltas = setup.scaled(50)
    setup.answers(deltas, 0.1)
    figures: Figures = {}
    for protocol in setup.system.routes:
        # Spread over ten pauses, so that the deltas do not coincide.
        outcome = load(setup.system.job(protocol, deltas=deltas, streams=200, stagger=0.005))
        figures |= _percentiles(f"{ROUTES[protocol]} 200 slow", outcome.latencies)
    return figures


def bodies(setup: Setup) -> Figures:
    """Measure one stream with a large request: the time to the first delta, in ms."""
    setup.answers(5)
    figures: Figures = {}
    for protocol in setup.system.routes:
        for name, size in (("100 KB", 100_000), ("1 MB", 1_000_000), ("10 MB", 10_000_000)):
            job = setup.system.job(protocol, deltas=5, turns=5, warm_up=1, body_bytes=size)
            figures[f"{ROUTES[protocol]} {name} body ms"] = _median_ms(load(job))
    return figures


def behind_large_bodies(setup: Setup) -> Figures:
    """Measure 20 slow streams during turns of 10 MB: the latency of a delta of the slow ones, in ms."""
    if "chat" not in setup.system.routes:
        return {}
    deltas = setup.scaled(100)
    setup.answers(deltas, 0.05)
    slow = start_load(setup.system.job("chat", deltas=deltas, streams=20, turns=2, stagger=0.003))
    # Four at a time, each as long as a slow stream: about one large request a second.
    load(setup.system.job("chat", deltas=deltas, body_bytes=10_000_000, streams=4, stagger=1.0))
    figures = _percentiles("20 slow beside 10 MB", finish_load(slow).latencies)
    time.sleep(SETTLED_SECONDS)
    return {**figures, "RSS after 10 MB turns MiB": setup.system.rss_mib}


def upstream_connections(setup: Setup) -> Figures:
    """Count the upstream connections for 200 turns, on one client connection and on one each."""
    if "chat" not in setup.system.routes:
        return {}
    figures: Figures = {}
    for name, fresh in (("upstream connections per 200 turns", False), (CONNECTIONS_EACH, True)):
        setup.answers(5)
        load(setup.system.job("chat", deltas=5, turns=200, fresh=fresh))
        figures[name] = setup.answers(5)["connections"]
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
"""Scenarios with absolute bounds: the other systems are measured once, for comparison."""


def _median_ms(outcome: Outcome) -> float:
    return statistics.median(outcome.first_delta) * 1000


def _percentiles(name: str, seconds: list[float]) -> Figures:
    ranked = sorted(seconds)
    return {
        f"{name} p50 ms": ranked[len(ranked) // 2] * 1000,
        f"{name} p99 ms": ranked[int(len(ranked) * 0.99)] * 1000,
    }
