"""The simulated clients: each sends turns over one connection, checks every answer, and may leave at any moment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import orjson

from benchmarks.simulation.answers import check_answer
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.host import ClientHost
from benchmarks.simulation.ledger import Ledger

WAIT_SECONDS = 900.0
"""More than any limit of the shim, and longer than any flow is held."""


def request_body(turn: int, slug: str) -> bytes:
    """Return the body of a turn's request. Its input names the turn for the upstream."""
    value = {"model": slug, "input": f"turn-{turn}-end", "stream": True, "store": False}
    return orjson.dumps(value)


class SimulatedClient:
    """One HTTP/1.1 client connection with a few turns, one after another."""

    alpn: bytes | None = None

    def __init__(self, clock: Clock, ledger: Ledger, turns: list[int], slugs: list[str]) -> None:
        self.host: ClientHost
        self.done = False
        self._clock = clock
        self._ledger = ledger
        self._turns = turns
        self._slugs = slugs
        self._received = b""
        self._current: int | None = None
        self._began = 0.0

    def start(self) -> None:
        """Send the first turn."""
        self._next()

    def receive(self, data: bytes) -> None:
        """Take bytes of an answer."""
        self._received += data
        if self._current is not None and (answer := _whole_answer(self._received)) is not None:
            head, body = answer
            streams = b"text/event-stream" in head
            check_answer(
                self._ledger, self._current, int(head.split(b" ", 2)[1]), body, streams=streams
            )
            self._current = None
            self._received = b""
            if b"connection: close" not in head.lower():
                self._clock.after(self._clock.random.choice((0.0, 0.01, 1.0)), "", self._next)

    def ended(self) -> None:
        """The connection is closed."""
        self.done = True

    def check_end(self) -> None:
        """Raise ViolationError if a turn that the client still waits for was not answered."""
        if self._current is not None and not self.done:
            message = f"turn {self._current} was not answered within {WAIT_SECONDS} s"
            raise ViolationError(message)

    # Requests ---------------------------------------------------------------------------------------------

    def _next(self) -> None:
        if self.done or self.host.ended:
            return
        if not self._turns:
            self.host.client_left(reset=self._clock.chance(0.3))
            return
        turn = self._current = self._turns.pop(0)
        slug = self._clock.random.choice(self._slugs)
        self._clock.note(f"client: turn {turn} for {slug}")
        parts = list(self._parts(self._request(turn, slug)))
        if self._clock.chance(0.01):
            parts = parts[:-1]
            self._current = None
            self._clock.after(2.0, "", lambda: self._leave(reset=True))
        for number, part in enumerate(parts):
            self._clock.after(number * 0.001, "", partial(self.host.client_data, part))
        if self._clock.chance(0.12):
            delay = self._clock.random.choice((0.0, 0.0015, 0.05, 0.5, 5.0))
            self._clock.after(delay, "", lambda: self._leave(reset=self._clock.chance(0.5)))

    def _leave(self, *, reset: bool) -> None:
        self._clock.note("client: leaves")
        self._current = None
        self._turns.clear()
        self.host.client_left(reset=reset)

    def _request(self, turn: int, slug: str) -> bytes:
        body = request_body(turn, slug)
        codex = b"originator: codex_exec\r\n" if self._clock.chance(0.7) else b""
        head = b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1:8765\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return head % (codex, len(body)) + body

    def _parts(self, data: bytes) -> Iterator[bytes]:
        pieces = self._clock.random.choice((1, 1, 2, 5))
        cuts = sorted(self._clock.random.randrange(1, len(data)) for _ in range(pieces - 1))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if end > begin:
                yield data[begin:end]


def _whole_answer(received: bytes) -> tuple[bytes, bytes] | None:
    """Return head and body of an answer that is whole."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None
    if b"transfer-encoding: chunked" in head.lower():
        body = _without_chunks(rest)
        return None if body is None else (head, body)
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    if length and len(rest) >= int(length[1]):
        return head, rest[: int(length[1])]
    return None


def _without_chunks(data: bytes) -> bytes | None:
    body = b""
    while True:
        size, found, rest = data.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if not length:
            return body if rest.startswith(b"\r\n") else None
        if len(rest) < length + 2:
            return None
        body, data = body + rest[:length], rest[length + 2 :]
