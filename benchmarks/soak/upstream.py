"""The upstreams of the soak: one server that speaks every protocol and fails as each turn's mark says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.soak.parts import MARK
from benchmarks.soak.turns import Turn, turn_of
from tests.faults.speech import Speech
from tests.support.upstream import Exchange

PAGE = b"<html><title>Bad gateway</title></html>"


def events(turn: Turn) -> Iterator[bytes]:
    """The stream of this turn's answer, in the protocol of its route."""
    speech: Speech = turn.route.speech
    yield speech.begin.replace(b'"hel"', b'"%s"' % turn.parts[0].encode())
    for part in turn.parts[1:]:
        yield speech.middle.replace(b'"lo"', b'"%s"' % part.encode())
    yield speech.end.replace(b'"hello"', b'"%s"' % "".join(turn.parts).encode()) + speech.tail


class Upstreams:
    """Answers by mark. Counts what it was asked."""

    def __init__(self, seed: int, pause: float) -> None:
        self._seed = seed
        self._pause = pause
        self._failed_once: set[int] = set()
        self.asked = 0
        self.running = 0
        self.most_running = 0

    async def answer(self, exchange: Exchange) -> None:
        """A script for `tests.support.upstream`."""
        mark = MARK.search(exchange.request.body)
        if mark is None:
            await exchange.whole(b"", status=b"404 Not Found")
            return
        self.asked += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
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
        broken = turn.fault in BREAKS
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
            await exchange.chunk(turn.route.speech.error)
            await exchange.end()
        else:
            await exchange.end()


REFUSALS = {
    "e500": (b"500 Oh", b'{"error":{"message":"worn out"}}'),
    "e429": (b"429 Too Many Requests", b'{"error":{"message":"slower"}}'),
    "html": (b"502 Bad Gateway", PAGE),
}
BREAKS = frozenset({"half", "cut", "stall", "clean", "error", "leave"})
