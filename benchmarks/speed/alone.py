"""What is measured of the shim alone, once a run: how it starts, what it holds, whether it grows."""

from __future__ import annotations

import contextlib
import http.client
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed.scenarios import Figures, Stage
from benchmarks.speed.systems import (
    begun,
    finished,
    free_port,
    killed,
    load,
    script_path,
    shim,
    shim_env,
)
from benchmarks.speed.wire import Dialect

STARTS = 7
TURNS_BEFORE, TURNS_AFTER = 2_000, 20_000
STREAMS = 4


def starts(upstream_port: int, folder: Path) -> Figures:
    """The median seconds from a command to its first answer."""
    env = shim_env(folder, upstream_port)
    return {
        "start to first answer s": _median(lambda: _first_answer(env)),
        "`list` s": _median(lambda: _run(["list"], env)),
        "`--help` s": _median(lambda: _run(["--help"], env)),
    }


def memory(upstream_port: int, folder: Path, scale: float) -> Figures:
    """MiB in memory: idle, and how much more after many turns than after the first of them."""
    with shim(upstream_port, folder) as system:
        time.sleep(1)
        figures = {"RSS idle MiB": system.rss_mib}
        stage = Stage(system, upstream_port, scale=scale)
        figures["RSS at 200 streams MiB"] = _loaded(stage)
        stage.answers(5)
        _turns(stage, TURNS_BEFORE)
        before = system.rss_mib
        _turns(stage, TURNS_AFTER - TURNS_BEFORE)
        figures["RSS growth from turn 2,000 to 20,000 MiB"] = system.rss_mib - before
        return figures


def _loaded(stage: Stage) -> float:
    """The most that 200 slow streams of all dialects took."""
    stage.answers(50, 0.1)
    shares: dict[Dialect, int] = {"responses": 66, "chat": 67, "messages": 67}
    streams = [
        begun(stage.system.job(dialect, deltas=50, streams=count, stagger=0.005))
        for dialect, count in shares.items()
    ]
    most = 0.0
    while any(each.poll() is None for each in streams):
        most = max(most, stage.system.rss_mib)
        time.sleep(0.1)
    for each in streams:
        finished(each)
    return most


def _turns(stage: Stage, turns: int) -> None:
    each = stage.scaled(turns) // (2 * STREAMS)
    for dialect in ("chat", "responses"):
        load(stage.system.job(dialect, deltas=5, streams=STREAMS, turns=each, body_bytes=2_000))


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
