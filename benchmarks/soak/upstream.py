"""The upstreams of the soak run: one server for every protocol. The mark in a prompt selects the fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.soak.parts import MARK
from benchmarks.soak.turns import Turn, turn_of
from tests.faults.healthy import HealthyAnswer
from tests.support.upstream import Exchange

PAGE = b"<html><title>Bad gateway</title></html>"


def events(turn: Turn) -> Iterator[bytes]:
    """Yield the events of a turn's answer in the protocol of its route."""
    answer: HealthyAnswer = turn.route.healthy
    yield answer.begin.replace(b'"hel"', b'"%s"' % turn.parts[0].encode())
    for part in turn.parts[1:]:
        yield answer.middle.replace(b'"lo"', b'"%s"' % part.encode())
    yield answer.end.replace(b'"hello"', b'"%s"' % "".join(turn.parts).encode()) + answer.tail


class Upstreams:
    """Answers requests by their mark, and counts them."""

    def __init__(self, seed: int, pause: float) -> None:
        self._seed = seed
        self._pause = pause
        self._failed_once: set[int] = set()
        self.requests = 0
        self.running = 0
        self.max_running = 0

    async def answer(self, exchange: Exchange) -> None:
        """Answer a request. A script for `tests.support.upstream`."""
        mark = MARK.search(exchange.request.body)
        if mark is None:
            await exchange.whole(b"", status=b"404 Not Found")
            return
        self.requests += 1
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        try:
            await self._answer(exchange, turn_of(int(mark[1]), self._seed))
        finally:
            self.running -= 1

    async def _answer(self, exchange: Exchange, turn: Turn) -> None:
        if turn.fault == "flaky" and turn.number not in self._failed_once:
            self._failed_once.add(turn.number)
            await exchange.whole(b"{}", status=b"500 Oh")
        elif turn.fault in REFUSALS:
            status, body = REFUSALS[turn.fault]
            kind = b"text/html" if turn.fault == "html" else b"application/json"
            await exchange.whole(body, b"content-type: " + kind, status=status)
        elif turn.fault == "reset":
            exchange.cut()
        elif turn.fault == "early":
            await exchange.closed()
        else:
            await self._stream(exchange, turn)

    async def _stream(self, exchange: Exchange, turn: Turn) -> None:
        await exchange.sse_head()
        whole = list(events(turn))
        broken = turn.fault in INCOMPLETE
        for event in whole[: len(whole) // 2] if broken else whole:
            await exchange.chunk(event)
            await asyncio.sleep(self._pause)
        if turn.fault == "half":
            await exchange.chunk(whole[-1][: len(whole[-1]) // 2])
        if turn.fault in {"half", "cut"}:
            exchange.writer.close()
        elif turn.fault in {"stall", "leave"}:
            await exchange.closed()
        elif turn.fault == "error":
            await exchange.chunk(turn.route.healthy.error)
            await exchange.end()
        else:
            await exchange.end()


REFUSALS = {
    "e500": (b"500 Oh", b'{"error":{"message":"internal failure"}}'),
    "e429": (b"429 Too Many Requests", b'{"error":{"message":"slower"}}'),
    "html": (b"502 Bad Gateway", PAGE),
}
INCOMPLETE = frozenset({"half", "cut", "stall", "clean", "error", "leave"})
