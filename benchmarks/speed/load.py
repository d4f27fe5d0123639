"""The load client of the benchmark. It sends turns on reused or new connections and checks every delta.

Run as `python -m benchmarks.speed.load` with a `Job` as JSON on stdin; it writes an `Outcome` as JSON to stdout. It is
a process of its own, so that its CPU time is not counted as the proxy's.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import orjson
import uvloop

from benchmarks.speed.protocols import MARK, TERMINALS, USAGES, Protocol, request_body

TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Job:
    """`streams` connections, each sending `turns` turns one after the other."""

    port: int
    path: str
    protocol: Protocol
    """The protocol of the client; always `responses` for the shim."""
    model: str
    deltas: int
    streams: int = 1
    turns: int = 1
    body_bytes: int = 200
    headers: tuple[str, ...] = ()
    stagger: float = 0.0
    """Seconds between the starts of two connections."""
    warm_up: int = 0
    """Turns of each connection that are not measured."""
    fresh: bool = False
    """Whether each turn has a new connection, as with Codex. The time to connect counts."""
    tls: bool = False


@dataclass(slots=True)
class Outcome:
    """The measurements, in seconds."""

    seconds: float = 0.0
    """From the first request to the end of the last answer, without the warm-up."""
    deltas: int = 0
    first_delta: list[float] = field(default_factory=list)
    """From sending a request to its first delta, one value for each turn."""
    latencies: list[float] = field(default_factory=list)
    """From the upstream's write to the client's read, one value for each delta."""
    wrong: list[str] = field(default_factory=list)
    """Errors in answers. The other values are meaningless unless this is empty."""


class Chunks:
    """Decodes a chunked body read by read."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """Return the payload of the chunks that are complete."""
        data = self._rest + data
        parts: list[bytes] = []
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end], 16)
            after = end + 2 + size + 2
            if after > len(data):
                break
            parts.append(data[end + 2 : after - 2])
            at = after
            if size == 0:
                self.ended = True
                break
        self._rest = data[at:]
        return b"".join(parts)


class Connection(asyncio.Protocol):
    """One connection for several turns."""

    transport: asyncio.Transport

    def __init__(self, job: Job, outcome: Outcome) -> None:
        self._job = job
        self._outcome = outcome
        self._request = _request(job)
        self._turn: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        # The transports of uvloop are not subclasses.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's shape
        """Report an answer that the peer cut."""
        if self._turn and not self._turn.done():
            self._wrong("the connection ended inside an answer")

    async def turn(self, began: float, *, counted: bool) -> None:
        """Send a request and read the answer to its end."""
        self._head: bytes | None = b""
        self._chunks = Chunks()
        self._text: list[bytes] = []
        self._first = 0.0
        self._counted = counted
        self._turn = asyncio.get_running_loop().create_future()
        self._sent = began
        self.transport.write(self._request)
        await self._turn

    def data_received(self, data: bytes) -> None:
        """Process one read."""
        now, stamp = time.perf_counter(), time.monotonic_ns()
        if self._head is not None:
            self._head += data
            head, border, data = self._head.partition(b"\r\n\r\n")
            if not border:
                return
            if b" 200 " not in head.partition(b"\r\n")[0]:
                self._wrong(f"answered {head[:200]!r} {data[:300]!r}")
                return
            self._head = None
        payload = self._chunks.feed(data)
        self._text.append(payload)
        if self._counted:
            self._note(payload, now, stamp)
        if self._chunks.ended:
            self._ended()

    def _note(self, payload: bytes, now: float, stamp: int) -> None:
        marks = MARK.findall(payload)
        if marks and not self._first:
            self._first = now
            self._outcome.first_delta.append(now - self._sent)
        # An event in two reads is not timed here; its mark is checked at the end.
        self._outcome.latencies += [(stamp - int(sent)) / 1e9 for _, sent in marks]

    def _ended(self) -> None:
        text = b"".join(self._text)
        numbers = [int(number) for number, _ in MARK.findall(text)]
        if numbers != list(range(self._job.deltas)):
            self._wrong(f"{len(numbers)} deltas of {self._job.deltas}, or out of order")
        elif text.count(TERMINALS[self._job.protocol]) != 1:
            self._wrong("not exactly one terminal event")
        elif USAGES[self._job.protocol] % self._job.deltas not in text:
            self._wrong("its usage is not that of the upstream")
        elif self._counted:
            self._outcome.deltas += len(numbers)
        if self._turn and not self._turn.done():
            self._turn.set_result(None)

    def _wrong(self, text: str) -> None:
        self._outcome.wrong.append(text)
        if self._turn and not self._turn.done():
            self._turn.set_result(None)


class Lane:
    """One client: its turns, one after the other."""

    connection: Connection

    def __init__(self, job: Job, outcome: Outcome) -> None:
        self._job = job
        self._outcome = outcome
        # The upstream is local.
        self._tls = ssl._create_unverified_context() if job.tls else None  # noqa: S323, SLF001

    async def open(self) -> None:
        """Connect."""
        job = self._job
        _, self.connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(job, self._outcome), "127.0.0.1", job.port, ssl=self._tls
        )

    async def turns(self, turns: int, *, counted: bool, after: float = 0.0) -> None:
        """Send this many turns."""
        await asyncio.sleep(after)
        for _ in range(turns):
            began = time.perf_counter()
            if self._job.fresh:
                self.close()
                await self.open()
            await self.connection.turn(began, counted=counted)

    def close(self) -> None:
        """Close the connection."""
        self.connection.transport.close()


def _request(job: Job) -> bytes:
    body = request_body(job.protocol, job.model, job.body_bytes)
    lines = (
        f"POST {job.path} HTTP/1.1",
        f"host: 127.0.0.1:{job.port}",
        "content-type: application/json",
        "accept: text/event-stream",
        f"content-length: {len(body)}",
        *job.headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def run(job: Job, make_lane: type[Lane] = Lane) -> Outcome:
    """Run a job."""
    outcome = Outcome()
    lanes = [make_lane(job, outcome) for _ in range(job.streams)]
    for lane in lanes:
        await lane.open()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(lane.turns(job.warm_up, counted=False) for lane in lanes))
        started = time.perf_counter()
        await asyncio.gather(
            *(
                lane.turns(job.turns, counted=True, after=number * job.stagger)
                for number, lane in enumerate(lanes)
            )
        )
        outcome.seconds = time.perf_counter() - started
    for lane in lanes:
        lane.close()
    return outcome


def main(make_lane: type[Lane] = Lane) -> None:
    """Read a job, run it and write its outcome."""
    wanted = Job(**orjson.loads(sys.stdin.buffer.read()))
    # Not sys.stdout: unbuffered, it may write only a part without an error.
    with open(1, "wb") as out:
        out.write(orjson.dumps(asdict(uvloop.run(run(wanted, make_lane)))))


if __name__ == "__main__":
    main()
