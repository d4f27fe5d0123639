"""Turns to an upstream that is a round trip away, over TLS: how long the handshakes of a first turn and of later ones take.

A connection for each request, as Codex opens it. The first turn is that of a shim that was just started and that Codex
has asked for its models.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.speed.bounds import DIRECT, SHIM
from benchmarks.speed.report import chart_of
from benchmarks.speed.systems import (
    System,
    control,
    free_port,
    killed,
    load,
    python,
    shim,
    upstream,
    wait_for,
)
from tests.support.certificates import make_authority

FIRST, LATER = "first turn after a start", "later turns"
TYPING_SECONDS = 1.0
"""Between the start of Codex, which asks for the models, and the first turn."""
LATER_TURNS = 10
BOUNDS = {FIRST: 0.55, LATER: 0.40}
"""The time to the first delta, divided by the time without a proxy."""
Medians = Mapping[tuple[str, str], float]
Times = dict[tuple[str, str], list[float]]
"""System and turn → milliseconds to the first delta."""


def report(times: Times, round_trip_ms: float, rounds: int) -> str:
    """Return a table of the medians."""
    lines = [
        f"Round trip of {round_trip_ms:g} ms, TLS, a connection for each turn; medians of {rounds} rounds, in ms.",
        "",
        "| time to the first delta | direct | codex-shim | ratio | must |",
        "|---|---|---|---|---|",
    ]
    found = medians(times)
    for turn in (FIRST, LATER):
        direct, ours = found[DIRECT, turn], found[SHIM, turn]
        lines.append(
            f"| {turn} | {direct:.0f} | {ours:.0f} | {ours / direct:.2f} | ≤ {BOUNDS[turn]:.2f} |"
        )
    return "\n".join(lines)


def medians(times: Times) -> Medians:
    """Return the median of each system and turn."""
    return {key: statistics.median(each) for key, each in times.items()}


def chart(found: Medians) -> str:
    """Return a bar chart of the times to the first delta."""
    bars = [(turn, name, found[name, turn]) for turn in (FIRST, LATER) for name in (DIRECT, SHIM)]
    return chart_of(bars, "ms")


def measure(round_trip_ms: float, rounds: int) -> Times:
    """Return the times of all rounds. Each round starts a shim of its own."""
    times: Times = {(name, turn): [] for name in (DIRECT, SHIM) for turn in (FIRST, LATER)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = make_authority(folder)
        with upstream(str(authority.server_file)) as near, distance(near, round_trip_ms) as far:
            control(near, "https", deltas=5, pause=0.0, batch=1)
            direct = System(DIRECT, far, translates=False, scheme="https")
            for _ in range(rounds):
                _turns(direct, times)
                with shim(far, folder, "https", str(authority.ca_file)) as ours:
                    _ask_for_models(ours.port)
                    time.sleep(TYPING_SECONDS)
                    _turns(ours, times)
    return times


def _turns(system: System, times: Times) -> None:
    for turn, count in ((FIRST, 1), (LATER, LATER_TURNS)):
        outcome = load(system.job("responses", deltas=5, turns=count, fresh=True))
        times[system.name, turn] += [seconds * 1000 for seconds in outcome.first_delta]


def _ask_for_models(port: int) -> None:
    url = f"http://127.0.0.1:{port}/v1/models?client_version=0.171.0"
    with urllib.request.urlopen(url, timeout=10) as answer:
        answer.read()


@contextmanager
def distance(upstream_port: int, round_trip_ms: float) -> Iterator[int]:
    """Run a relay in front of an upstream. Yield its port."""
    port = free_port()
    args = [str(port), str(upstream_port), str(round_trip_ms)]
    with killed(python("benchmarks.speed.relay", *args)) as process:
        wait_for(port, process)
        yield port
