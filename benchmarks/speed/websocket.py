"""Clients over WebSocket compared with clients by HTTP, through the same shim and to the same upstream.

Streams are paced, so that each read brings a known number of deltas, and the CPU time of the shim is what counts: the
figures say how many deltas a second of one core carries, and are valid on a busy machine.

Run as `python -m benchmarks.speed.websocket`, it is the load client: see `benchmarks.speed.load`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import orjson

from addons.core.protocols.websocket.frames import TEXT, FrameReader, client_frame
from benchmarks.speed.load import Connection, Job, Lane, Outcome, main
from benchmarks.speed.protocols import TERMINALS, Protocol, request_body
from benchmarks.speed.scenarios import ROUTES, Setup
from benchmarks.speed.systems import load, shim, upstream

CLIENTS = {"HTTP": "benchmarks.speed.load", "WebSocket": "benchmarks.speed.websocket"}
MIN_TURNS, MIN_DELTAS = 1.0, 0.8
"""WebSocket divided by HTTP."""
READS = (1, 5, 25)
ROUNDS_OF_DELTAS, PAUSE_SECONDS, STREAMS = 40, 0.05, 30
MAX_MESSAGE = 1 << 20
_MASK = b"mask"
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
Figures = dict[str, float]


class SocketConnection(Connection):
    """One WebSocket for several turns."""

    def __init__(self, job: Job, outcome: Outcome) -> None:
        super().__init__(job, outcome)
        body = orjson.loads(request_body(job.protocol, job.model, job.body_bytes))
        text = orjson.dumps({"type": "response.create", **body})
        self._request = client_frame(TEXT, text, _MASK)
        self._frames = FrameReader(MAX_MESSAGE)
        self._switched: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Send the handshake and wait for its answer."""
        lines = (
            f"GET {self._job.path} HTTP/1.1",
            f"host: 127.0.0.1:{self._job.port}",
            "connection: Upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            f"sec-websocket-key: {_KEY.decode()}",
            *self._job.headers,
        )
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        await self._switched

    def data_received(self, data: bytes) -> None:
        """Process one read."""
        now, stamp = time.perf_counter(), time.monotonic_ns()
        if not self._switched.done():
            if not data.startswith(b"HTTP/1.1 101 "):
                raise RuntimeError(data)
            self._switched.set_result(None)
            return
        for message in self._frames.feed(data):
            self._text.append(message.data)
            if self._counted:
                self._note(message.data, now, stamp)
            if TERMINALS["responses"] in message.data:
                self._ended()


class SocketLane(Lane):
    """One client: its turns over one WebSocket."""

    async def open(self) -> None:
        """Connect."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: SocketConnection(self._job, self._outcome), "127.0.0.1", self._job.port
        )
        self.connection = connection
        await connection.open()


def compare(rounds: int, scale: float) -> str:
    """Measure, and return the medians of all rounds as Markdown."""
    found: list[Figures] = []
    with (
        tempfile.TemporaryDirectory() as name,
        upstream() as port,
        shim(port, Path(name)) as system,
    ):
        setup = Setup(system, port, scale=scale)
        for number in range(rounds):
            print(f"round {number + 1}", file=sys.stderr, flush=True)
            # what one client leaves behind, such as rows of the ledger, falls on the next one
            clients = list(CLIENTS)[:: -1 if number % 2 else 1]
            found.append(_round(setup, clients))
    return _table(found)


def _round(setup: Setup, clients: Sequence[str]) -> Figures:
    return {
        f"{ROUTES[protocol]} {name}, {client}": value
        for protocol in ROUTES
        for client in clients
        for name, value in (
            _turns(setup, protocol, client) | _deltas(setup, protocol, client)
        ).items()
    }


def _turns(setup: Setup, protocol: Protocol, client: str) -> Figures:
    """Measure turns of 5 deltas one after the other, on kept connections."""
    setup.answers(5)
    turns = setup.scaled(150)
    job = setup.system.job(protocol, deltas=5, turns=turns, streams=4, warm_up=5)
    before = setup.system.cpu_seconds
    outcome = load(job, CLIENTS[client])
    used = setup.system.cpu_seconds - before
    return {"turns/s": 4 * turns / outcome.seconds, "turns/CPU s": 4 * (turns + 5) / used}


def _deltas(setup: Setup, protocol: Protocol, client: str) -> Figures:
    """Measure paced streams with this many deltas a read."""
    figures: Figures = {}
    for reads in READS:
        deltas = setup.scaled(ROUNDS_OF_DELTAS) * reads
        setup.answers(deltas, PAUSE_SECONDS, reads)
        job = setup.system.job(protocol, deltas=deltas, streams=STREAMS, stagger=0.0017)
        before = setup.system.cpu_seconds
        outcome = load(job, CLIENTS[client])
        used = setup.system.cpu_seconds - before
        figures[f"deltas/CPU s, {reads} a read"] = outcome.deltas / used
    return figures


def _table(found: list[Figures]) -> str:
    http, framed = (f", {client}" for client in CLIENTS)
    names = [name.removesuffix(http) for name in found[0] if name.endswith(http)]
    lines = [
        f"| median of {len(found)} rounds | HTTP | WebSocket | WebSocket / HTTP | must |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        by_http = statistics.median(each[name + http] for each in found)
        by_socket = statistics.median(each[name + framed] for each in found)
        ratio = statistics.median(each[name + framed] / each[name + http] for each in found)
        bound = MIN_DELTAS if "deltas" in name else MIN_TURNS
        lines.append(f"| {name} | {by_http:,.0f} | {by_socket:,.0f} | {ratio:.2f} | ≥ {bound} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(SocketLane)
