"""Figures of the shim alone, measured once a run: start-up, memory and its growth."""

from __future__ import annotations

import contextlib
import http.client
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed.protocols import Protocol
from benchmarks.speed.scenarios import Figures, Setup
from benchmarks.speed.systems import (
    finish_load,
    free_port,
    killed,
    load,
    script_path,
    shim,
    shim_env,
    start_load,
)

STARTS = 7
TURNS_BEFORE, TURNS_AFTER = 2_000, 20_000
STREAMS = 4


def starts(upstream_port: int, folder: Path) -> Figures:
    """Return the median seconds from a command to its first answer."""
    env = shim_env(folder, upstream_port)
    return {
        "start to first answer s": _median(lambda: _first_answer(env)),
        "`list` s": _median(lambda: _run(["list"], env)),
        "`--help` s": _median(lambda: _run(["--help"], env)),
    }


def memory(upstream_port: int, folder: Path, scale: float) -> Figures:
    """Return the memory in MiB: idle, with many streams, and its growth over many turns."""
    with shim(upstream_port, folder) as system:
        time.sleep(1)
        figures = {"RSS idle MiB": system.rss_mib}
        setup = Setup(system, upstream_port, scale=scale)
        figures["RSS at 200 streams MiB"] = _loaded(setup)
        setup.answers(5)
        _turns(setup, TURNS_BEFORE)
        before = system.rss_mib
        _turns(setup, TURNS_AFTER - TURNS_BEFORE)
        figures["RSS growth from turn 2,000 to 20,000 MiB"] = system.rss_mib - before
        return figures


def _loaded(setup: Setup) -> float:
    """Return the peak memory with 200 slow streams of all protocols."""
    setup.answers(50, 0.1)
    shares: dict[Protocol, int] = {"responses": 66, "chat": 67, "messages": 67}
    streams = [
        start_load(setup.system.job(protocol, deltas=50, streams=count, stagger=0.005))
        for protocol, count in shares.items()
    ]
    peak = 0.0
    while any(each.poll() is None for each in streams):
        peak = max(peak, setup.system.rss_mib)
        time.sleep(0.1)
    for each in streams:
        finish_load(each)
    return peak


def _turns(setup: Setup, turns: int) -> None:
    each = setup.scaled(turns) // (2 * STREAMS)
    for protocol in ("chat", "responses"):
        load(setup.system.job(protocol, deltas=5, streams=STREAMS, turns=each, body_bytes=2_000))


def _median(measure: Callable[[], float]) -> float:
    measure()
    return statistics.median(measure() for _ in range(STARTS))


def _run(args: list[str], env: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run([script_path("codex-shim"), *args], env=env, check=True, capture_output=True)
    return time.perf_counter() - started


def _first_answer(env: dict[str, str]) -> float:
    port = free_port()
    started = time.perf_counter()
    command = [script_path("codex-shim"), "serve", "--port", str(port)]
    with killed(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)):
        while time.perf_counter() < started + 30:
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return time.perf_counter() - started
            time.sleep(0.005)
    msg = f"no answer on {port}; load average {os.getloadavg()}"
    raise RuntimeError(msg)
