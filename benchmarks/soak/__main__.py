"""Runs turns through a real `codex-shim serve`, many at once, with faults and clients that leave.

`uv run python -m benchmarks.soak`. Every answer is hashed and compared with what its own upstream said; memory and
file descriptors of the shim are sampled. The exit code is 1 when anything was lost, mixed up or left.
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
from benchmarks.soak import agent
from benchmarks.soak.turns import OF_CLIENTS, WHOLE, Turn, digest_of, turn_of
from benchmarks.soak.upstream import Upstreams
from tests.e2e.shim import free_port, shim_command
from tests.fakes.account import Account
from tests.faults.oracle import seen_in
from tests.faults.routes import KEY, WITH_UPSTREAM, Family
from tests.faults.stage import CODEX, SDK
from tests.support.client import Client, client
from tests.support.upstream import upstream
from tests.support.waiting import until

LIMITS = {"heartbeat_seconds": 1, "linger_seconds": 0.5, "drain_seconds": 1}
STALL_SECONDS = 45.0
"""Long enough that a busy machine is not taken for an upstream that stalls."""
SAMPLES = 20
SPARE_DESCRIPTORS = 10
"""Kept connections to upstreams, the ledger, and the guard of Cursor's processes."""
WARM_SHARE = 0.3
MOST_GROWTH_MIB = 24
TURN_SECONDS = 240.0


@dataclass
class Tally:
    """What came of the turns."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[int, float]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    done: int = 0


def judge(turn: Turn, terminal: str, status: int, text: str) -> str:
    """Say what is wrong with this answer; empty when nothing is."""
    whole = terminal == "response.completed"
    if whole and digest_of(text) != turn.digest:
        return "completed with another content"
    if turn.fault in WHOLE and not whole:
        return f"not whole: {status} {terminal}"
    if turn.fault == "flaky":
        passes = turn.route.family is Family.ACCOUNT
        return "" if whole or (passes and status == 500) else f"not tried again: {status}"
    if turn.fault not in WHOLE and whole:
        return "completed, though its upstream broke off"
    if not whole and status == 200 and terminal not in {"response.failed", "error"}:
        return f"no terminal event ({terminal!r})"
    return ""


def body_of(turn: Turn) -> bytes:
    """The client's request."""
    slug = turn.route.name if turn.route.row else turn.route.slug
    return json.dumps({"model": slug, "stream": True, "input": turn.mark}).encode()


class Soak:
    """The run."""

    def __init__(self, port: int, pid: int, asked: argparse.Namespace) -> None:
        self._port, self._pid, self._seed, self._turns = port, pid, asked.seed, asked.turns
        self._ends = time.monotonic() + 60 * asked.minutes
        self._next = 0
        self.tally = Tally()

    async def lane(self) -> None:
        """One client after another, until all turns were begun or the time is up."""
        while self._next < self._turns and time.monotonic() < self._ends:
            number, self._next = self._next, self._next + 1
            turn = turn_of(number, self._seed)
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    wrong = await self._one(turn)
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                wrong = f"lost: {type(error).__name__}"
            self._note(turn, wrong)

    async def _one(self, turn: Turn) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        c = Client(reader, writer)
        try:
            await c.post("/v1/responses", body_of(turn), CODEX if turn.number % 2 else SDK)
            if turn.fault == "early":
                await asyncio.sleep(0.05)
                return ""
            begun = await c.head()
            if turn.fault == "leave":
                return ""
            if turn.fault == "slow":
                await asyncio.sleep(0.5)
            response = await c.rest(begun)
        finally:
            c.abort()
        if not response.complete:
            return "its connection was cut"
        seen = seen_in(response)
        return judge(turn, seen.terminal, seen.status, seen.text)

    def _note(self, turn: Turn, wrong: str) -> None:
        tally = self.tally
        tally.done += 1
        tally.outcomes[turn.fault] += 1
        if wrong:
            tally.wrong.append(f"turn {turn.number} ({turn.route}, {turn.fault}): {wrong}")
        if tally.done % max(1, min(1000, self._turns // SAMPLES)) == 0:
            self.sample()

    def sample(self) -> None:
        """Look at the shim's memory and descriptors."""
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
    """MiB that the shim has grown by between the end of its warming up and the end: by the medians of both halves."""
    warm = memory[int(len(memory) * WARM_SHARE) :]
    half = len(warm) // 2
    medians = [
        sorted(mib for _, mib in part)[len(part) // 2] for part in (warm[:half], warm[half:])
    ]
    return medians[1] - medians[0]


def environment(folder: Path, port: int, asked: argparse.Namespace) -> dict[str, str]:
    """The user of the soak, with a row for every route, a login and a Cursor."""
    rows = [
        {"slug": r.name, "base_url": f"http://127.0.0.1:{port}/v1", "api_key": KEY, **r.row}
        for r in WITH_UPSTREAM
        if r.row
    ]
    settings = folder / "models.json"
    settings.write_text(
        json.dumps({"limits": {**LIMITS, "stall_seconds": asked.stall}, "models": rows})
    )
    settings.chmod(0o600)
    (folder / ".codex").mkdir()
    workspace = folder / "workspace"
    workspace.mkdir()
    Account().write(folder / ".codex")
    return {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "CODEX_SHIM_STATE_DIR": str(folder / "state"),
        "CODEX_SHIM_SETTINGS": str(settings),
        "CODEX_SHIM_CHATGPT_BASE_URL": f"http://127.0.0.1:{port}/codex",
        "CURSOR_AGENT_BIN": str(agent.install(folder, asked.seed)),
        "CODEX_SHIM_CURSOR_WORKSPACE": str(workspace),
    }


def descriptors_of(pid: int) -> int:
    """How many file descriptors a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def settled(pid: int, most: int) -> None:
    """Give the shim time to hang up on those who left."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: descriptors_of(pid) <= most, 60)


async def is_up(port: int) -> bool:
    """Whether the shim answers, and offers Cursor."""
    try:
        async with client(port) as c:
            await c.get("/health")
            told = json.loads((await c.response()).body)
    except OSError:
        return False
    return bool(told["cursor_passthrough"])


async def soak(asked: argparse.Namespace, folder: Path) -> int:
    """Run it, and print the figures."""
    fakes, port = Upstreams(asked.seed, asked.pause), free_port()
    async with upstream(fakes.answer) as up:
        with (folder / "log").open("wb") as log:
            shim = subprocess.Popen(  # noqa: ASYNC220  it returns at once
                shim_command("serve", "--port", str(port)),
                env=environment(folder, up.port, asked),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            while not await is_up(port):  # noqa: ASYNC110  another process has no event
                await asyncio.sleep(0.05)
            run = Soak(port, shim.pid, asked)
            run.sample()
            began = time.monotonic()
            await asyncio.gather(*(run.lane() for _ in range(asked.at_once)))
            seconds = time.monotonic() - began
            await until(lambda: fakes.running == 0, 60)
            await settled(shim.pid, run.tally.descriptors[0] + SPARE_DESCRIPTORS)
            await until(lambda: agent.alive() == 0, 60)
            run.sample()
        finally:
            shim.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(shim.wait, 60)
    return report(run.tally, fakes, seconds, code, (folder / "log").read_text())


def report(tally: Tally, fakes: Upstreams, seconds: float, code: int, log: str) -> int:
    """Print what came of it; gives the exit code."""
    grown = growth(tally.memory)
    print(f"\n{tally.done:,} turns in {seconds:,.0f} s ({tally.done / seconds:,.0f}/s)")
    print(f"upstream: asked {fakes.asked:,} times, at most {fakes.most_running} at once")
    print(
        "faults:", ", ".join(f"{name} {count:,}" for name, count in sorted(tally.outcomes.items()))
    )
    print(f"clients that left: {sum(tally.outcomes[name] for name in OF_CLIENTS):,}")
    print(f"memory after warming up: {grown:+.1f} MiB")
    print(f"descriptors: {tally.descriptors[0]} before, {tally.descriptors[-1]} after")
    print(f"lost, mixed up, duplicated or told wrongly: {len(tally.wrong)}")
    for wrong in tally.wrong[:20]:
        print("  ", wrong)
    sound = (
        not tally.wrong
        and grown < MOST_GROWTH_MIB
        and tally.descriptors[-1] <= tally.descriptors[0] + SPARE_DESCRIPTORS
        and code == 0
        and "Traceback" not in log
    )
    print("sound" if sound else f"NOT sound (exit {code})\n{log[-2000:]}")
    return 0 if sound else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=600.0, help="Begin no turn after that.")
    parser.add_argument("--stall", type=float, default=STALL_SECONDS, help="The shim's limit.")
    parser.add_argument("--pause", type=float, default=0.25, help="Seconds between two events.")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    patient = cast("Any", tests.support.client)
    patient.LONGEST = TURN_SECONDS
    print(f"soak: {asked.turns:,} turns, {asked.at_once} at once, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(soak(asked, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
