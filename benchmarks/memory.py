"""Print the memory of the shim during thousands of large turns through mitmweb, mitmdump and `serve`.

Run it as `uv run python -m benchmarks.memory [--turns 5000] [--body-bytes 200000] [--tool web]`. Linux only; it uses
only 127.0.0.1. mitmweb grows up to its limits and then stays constant; the others store no flows.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.speed.protocols import Protocol
from benchmarks.speed.systems import (
    System,
    control,
    free_port,
    killed,
    load,
    script_path,
    shim_env,
    upstream,
    wait_for,
)

TOOLS: Mapping[str, Sequence[str]] = {
    "web": ("web", "--", "--no-web-open-browser", "--set", "web_port=0"),
    "mitmdump": ("mitmdump", "--", "--quiet"),
    "serve": ("serve",),
}
STREAMS, SLICES, DELTAS = 4, 10, 50
ROUTES: tuple[Protocol, ...] = ("chat", "responses")
"""A translated route and an unchanged one."""


def main() -> None:
    """Measure every tool and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--turns", type=int, default=5000)
    parser.add_argument("--body-bytes", type=int, default=200_000)
    parser.add_argument("--tool", action="append", choices=TOOLS)
    arguments = parser.parse_args()
    print(f"{arguments.turns} turns of {arguments.body_bytes:,} bytes; RSS in MiB after each tenth")
    with upstream() as port:
        control(port, deltas=DELTAS, pause=0.0)
        for tool in arguments.tool or TOOLS:
            with tempfile.TemporaryDirectory() as folder, running(tool, port, Path(folder)) as one:
                idle = one.rss_mib
                sizes = list(growth(one, arguments.turns, arguments.body_bytes))
            text = " ".join(f"{size:.0f}" for size in sizes)
            late = sizes[-1] - sizes[SLICES // 2 - 1]
            print(
                f"{tool:<9} idle {idle:.0f}, then {text}: {late:+.0f} in the second half",
                flush=True,
            )


def growth(system: System, turns: int, body_bytes: int) -> Iterator[float]:
    """Yield the memory of the process after each slice of the turns."""
    each = max(1, turns // (SLICES * STREAMS * len(ROUTES)))
    for _ in range(SLICES):
        for route in ROUTES:
            job = system.job(
                route, deltas=DELTAS, streams=STREAMS, turns=each, body_bytes=body_bytes
            )
            load(job)
        yield system.rss_mib


@contextmanager
def running(tool: str, upstream_port: int, folder: Path) -> Iterator[System]:
    """Run the shim in one of its three forms."""
    port = free_port()
    name, *more = TOOLS[tool]
    more = [word.replace("web_port=0", f"web_port={free_port()}") for word in more]
    command = [script_path("codex-shim"), name, "--port", str(port), *more]
    env = {**shim_env(folder, upstream_port), "PYTHONUNBUFFERED": "1"}
    quiet = subprocess.DEVNULL
    with killed(subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet)) as process:
        wait_for(port, process)
        yield System(tool, port, translates=True, process=process)


if __name__ == "__main__":
    main()
