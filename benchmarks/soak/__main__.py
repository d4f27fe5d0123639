"""Run many concurrent turns through a real `codex-shim serve`, with faults and clients that disconnect.

`uv run python -m benchmarks.soak`. The hash of every answer is compared with that of its upstream; memory and file
descriptors of the shim are sampled. A share of the turns comes from HTTP/2 clients, which keep their connections. The
exit code is 1 when an answer was lost or mixed up, a kept connection was closed, or a resource leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import tests.support.client
from addons.core.providers.row_attempts import EARLY_SECONDS
from addons.core.routes import MIN_CONCURRENCY
from benchmarks.soak import agent
from benchmarks.soak.clients import SoakClient, clients_of
from benchmarks.soak.turns import OF_CLIENTS, WHOLE, Turn, digest_of, turn_of
from benchmarks.soak.upstream import Upstreams
from tests.e2e.shim import shim_command
from tests.fakes.account import Account
from tests.faults.oracle import Seen, seen_in
from tests.faults.routes import KEY, WITH_UPSTREAM, Family
from tests.support.client import Response, client
from tests.support.ports import free_port
from tests.support.upstream import upstream
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
"""The shim is that of this checkout, wherever the interpreter has it installed from."""
LIMITS = {
    "heartbeat_seconds": 1,
    "linger_seconds": 0.5,
    "drain_seconds": 1,
    "pool_idle_seconds": 5,
}
"""Idle connections end soon after the last turn, so that what is left is a leak."""
STALL_SECONDS = 45.0
"""Long enough that a busy machine does not look like a stalled upstream."""
SAMPLES = 20
EXTRA_DESCRIPTORS = 10
"""The ledger, the guard of Cursor's processes, and idle upstream connections that have not ended yet."""
WARM_UP_SHARE = 0.3
MAX_GROWTH_MIB = 24
TURN_SECONDS = 240.0
RETRIED = frozenset({"flaky", "e500", "html", "reset"})
"""Faults after which the shim may try again."""


@dataclass
class Tally:
    """The results of the turns."""

    outcomes: Counter[str] = field(default_factory=Counter)
    protocols: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    done: int = 0


def judge(turn: Turn, seen: Seen, seconds: float, rivals: int = 0) -> str:
    """Return what is wrong with an answer that took so many seconds, empty when nothing is.

    `rivals`: how many other turns of its route may have retried at the same time.
    """
    terminal, status, text = seen.terminal, seen.status, seen.text
    whole = terminal == "response.completed"
    if whole and digest_of(text) != turn.digest:
        return "completed with another content"
    if turn.fault in WHOLE and not whole:
        return f"not whole: {status} {terminal}"
    if turn.fault == "flaky":
        # an upstream that answers late may have worked on the request, so that no retry is right
        passes = turn.route.family is Family.ACCOUNT or seconds > EARLY_SECONDS
        # a route has only so many retries at the same time
        passes = passes or rivals >= MIN_CONCURRENCY
        return "" if whole or (passes and status == 500) else f"not retried: {status}"
    if turn.fault not in WHOLE and whole:
        return "completed although its upstream was incomplete"
    if not whole and status == 200 and terminal not in {"response.failed", "error"}:
        return f"no terminal event ({terminal!r})"
    return ""


def verdict(turn: Turn, response: Response | None, seconds: float, rivals: int = 0) -> str:
    """Return what is wrong with a turn of so many seconds, empty when nothing is. None: its client left."""
    if response is None:
        return ""
    if not response.complete:
        return "its connection was cut"
    return judge(turn, seen_in(response), seconds, rivals)


def body_of(turn: Turn) -> bytes:
    """Return the client's request."""
    slug = turn.route.name if turn.route.row else turn.route.slug
    return json.dumps({"model": slug, "stream": True, "input": turn.mark}).encode()


class Soak:
    """The run."""

    def __init__(self, port: int, pid: int, arguments: argparse.Namespace, first: int = 0) -> None:
        self._port, self._pid, self._seed, self._turns = port, pid, arguments.seed, arguments.turns
        self._ends = time.monotonic() + 60 * arguments.minutes
        self._next = first
        self._retrying: dict[int, Turn] = {}
        self._rivals: dict[int, int] = {}
        """Number of a turn → how many others of its route may have retried at the same time."""
        self.tally = Tally()

    async def run(self, clients: list[tuple[SoakClient, int]]) -> None:
        """Send all turns. A kept connection that the shim closed counts as wrong."""
        try:
            await asyncio.gather(*(self.lane(c) for c, lanes in clients for _ in range(lanes)))
        finally:
            for c, _ in clients:
                c.close()
                self.tally.wrong += [f"a connection: {why}" for why in c.closed_by_shim]

    async def lane(self, client: SoakClient) -> None:
        """Send one turn after another until all turns have started or the time is up."""
        while self._next < self._turns and time.monotonic() < self._ends:
            number, self._next = self._next, self._next + 1
            turn, began = turn_of(number, self._seed), time.monotonic()
            self._meet(turn)
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    response = await client.ask(turn, body_of(turn))
                wrong = verdict(
                    turn, response, time.monotonic() - began, self._rivals.pop(number, 0)
                )
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                wrong = f"lost: {type(error).__name__}: {error}"
            self._retrying.pop(turn.number, None)
            self._note(turn, client.protocol, wrong)

    def _meet(self, turn: Turn) -> None:
        """Count the turns of one route that may retry at the same time."""
        if turn.fault not in RETRIED:
            return
        others = [one for one in self._retrying.values() if one.route is turn.route]
        self._retrying[turn.number] = turn
        for one in (*others, turn):
            self._rivals[one.number] = max(self._rivals.get(one.number, 0), len(others))

    def _note(self, turn: Turn, protocol: str, wrong: str) -> None:
        tally = self.tally
        tally.done += 1
        tally.outcomes[turn.fault] += 1
        tally.protocols[protocol] += 1
        if wrong:
            what = f"turn {turn.number} ({protocol}, {turn.route}, {turn.fault}): {wrong}"
            tally.wrong.append(what)
            print("wrong:", what, flush=True)
        if tally.done % max(1, min(1000, self._turns // SAMPLES)) == 0:
            self.sample()

    def sample(self) -> None:
        """Sample the memory and file descriptors of the shim."""
        tally = self.tally
        status = Path(f"/proc/{self._pid}/status").read_text()
        kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        tally.memory.append((tally.done, kib / 1024))
        tally.descriptors.append(descriptors_of(self._pid))
        print(
            f"{tally.done:>8,} turns  {kib / 1024:6.1f} MiB  {tally.descriptors[-1]:>4} descriptors"
            f"  {len(tally.wrong)} wrong",
            flush=True,
        )


def growth(memory: list[tuple[int, float]]) -> float:
    """Return the growth in MiB after the warm-up: the difference between the medians of both halves."""
    measured = memory[int(len(memory) * WARM_UP_SHARE) :]
    half = len(measured) // 2
    medians = [
        sorted(mib for _, mib in part)[len(part) // 2]
        for part in (measured[:half], measured[half:])
    ]
    return medians[1] - medians[0]


def environment(folder: Path, port: int, arguments: argparse.Namespace) -> dict[str, str]:
    """Write the user's files, with a row for every route, a login and Cursor. Return the environment."""
    rows = [
        {"slug": r.name, "base_url": f"http://127.0.0.1:{port}/v1", "api_key": KEY, **r.row}
        for r in WITH_UPSTREAM
        if r.row
    ]
    settings = folder / "models.json"
    settings.write_text(
        json.dumps({"limits": {**LIMITS, "stall_seconds": arguments.stall}, "models": rows})
    )
    settings.chmod(0o600)
    (folder / ".codex").mkdir()
    workspace = folder / "workspace"
    workspace.mkdir()
    Account().write(folder / ".codex")
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CODEX_SHIM_STATE_DIR": str(folder / "state"),
        "CODEX_SHIM_SETTINGS": str(settings),
        "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{port}/codex",
        "CURSOR_AGENT_BIN": str(agent.install(folder, arguments.seed)),
        "CODEX_SHIM_CURSOR_WORKSPACE": str(workspace),
    }


def descriptors_of(pid: int) -> int:
    """Return the number of file descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def wait_for_descriptors(pid: int, limit: int) -> None:
    """Give the shim time to close the connections of clients that disconnected."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: descriptors_of(pid) <= limit, 60)


async def is_up(port: int) -> bool:
    """Return whether the shim answers and offers Cursor."""
    try:
        async with client(port) as c:
            await c.get("/health")
            health = json.loads((await c.response()).body)
    except OSError:
        return False
    return bool(health["cursor_passthrough"])


async def soak(arguments: argparse.Namespace, folder: Path) -> int:
    """Run the turns and print the results. Return the exit code."""
    fakes, port = Upstreams(arguments.seed, arguments.pause), free_port()
    async with upstream(fakes.answer) as up:
        with (folder / "log").open("wb") as log:
            shim = subprocess.Popen(  # noqa: ASYNC220  it returns at once
                shim_command("serve", "--port", str(port)),
                env=environment(folder, up.port, arguments),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            while not await is_up(port):  # noqa: ASYNC110  another process has no event
                await asyncio.sleep(0.05)
            run = Soak(port, shim.pid, arguments)
            run.sample()
            began = time.monotonic()
            await run.run(clients_of(port, arguments.at_once, arguments.http2))
            seconds = time.monotonic() - began
            await until(lambda: fakes.running == 0, 60)
            await wait_for_descriptors(shim.pid, run.tally.descriptors[0] + EXTRA_DESCRIPTORS)
            await until(lambda: agent.alive() == 0, 60)
            run.sample()
        finally:
            shim.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(shim.wait, 60)
    return report(run.tally, fakes, seconds, code, (folder / "log").read_text())


def report(tally: Tally, fakes: Upstreams, seconds: float, code: int, log: str) -> int:
    """Print the results. Return the exit code."""
    grown = growth(tally.memory)
    print(f"\n{tally.done:,} turns in {seconds:,.0f} s ({tally.done / seconds:,.0f}/s)")
    print(f"upstream: {fakes.requests:,} requests, at most {fakes.max_running} at once")
    print(
        "faults:", ", ".join(f"{name} {count:,}" for name, count in sorted(tally.outcomes.items()))
    )
    print(
        "clients:",
        ", ".join(f"{name} {count:,}" for name, count in sorted(tally.protocols.items())),
    )
    print(f"clients that disconnected: {sum(tally.outcomes[name] for name in OF_CLIENTS):,}")
    print(f"memory growth after the warm-up: {grown:+.1f} MiB")
    print(f"descriptors: {tally.descriptors[0]} before, {tally.descriptors[-1]} after")
    print(f"lost, mixed up, duplicated or wrong: {len(tally.wrong)}")
    for wrong in tally.wrong[:20]:
        print("  ", wrong)
    passed = (
        not tally.wrong
        and grown < MAX_GROWTH_MIB
        and tally.descriptors[-1] <= tally.descriptors[0] + EXTRA_DESCRIPTORS
        and code == 0
        and "Traceback" not in log
    )
    print("passed" if passed else f"FAILED (exit {code})\n{log[-2000:]}")
    return 0 if passed else 1


def main() -> int:
    """Run the soak as the command line says. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument(
        "--minutes", type=float, default=600.0, help="Start no turn after this time."
    )
    parser.add_argument(
        "--stall", type=float, default=STALL_SECONDS, help="stall_seconds of the shim."
    )
    parser.add_argument("--pause", type=float, default=0.25, help="Seconds between two events.")
    parser.add_argument(
        "--http2", type=float, default=0.3, metavar="SHARE", help="Share of turns over HTTP/2."
    )
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    patient = cast("Any", tests.support.client)
    patient.LONGEST = TURN_SECONDS
    print(
        f"soak: {arguments.turns:,} turns, {arguments.at_once} at once, {arguments.http2:.0%} over HTTP/2,"
        f" seed {arguments.seed}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(soak(arguments, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
