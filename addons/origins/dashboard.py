"""What the dashboard draws: the stream of live turns, and the totals.

Never does: read the ledger on the event loop, keep a turn waiting for a slow browser.
Invariant: what it sends are figures and names, as in the access log.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import orjson

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem
from addons.core.front import AnswerPlan, Endpoint, Endpoints
from addons.core.prices import PriceTable
from addons.core.providers.passthrough import PassThrough
from addons.core.record import TurnRecord
from addons.core.turn import ClientRequest, Fault, Head, Plan, Sink, Step, Synthesize
from addons.origins.books import Books
from addons.origins.usage_report import plain, read_recent, read_totals, sum_of

SPANS = {"24h": 86400.0, "7d": 7 * 86400.0, "30d": 30 * 86400.0}
MOST_LISTENERS = 8
MOST_BEHIND = 100
"""Events that a browser may be behind before it misses some."""
RECENT = 80
LOOK_SECONDS = 1.0
ALIVE_SECONDS = 10.0
"""How often a listener is told something even if nothing happens."""

Event = dict[str, object]


class StreamPlan:
    """The plan of an answer that a coroutine of ours writes."""

    def __init__(self, step: Synthesize) -> None:
        self._step = step

    def start(self) -> Step:
        """Begin to write."""
        return self._step

    def on_head(self, head: Head) -> Step:
        """No upstream was asked."""
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> Step:
        """No upstream was asked."""
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> Step:
        """No upstream was asked."""
        raise AssertionError(fault)


class Dashboard:
    """One per process. `turn_ended` is for the event loop, like everything here but the reading of the ledger."""

    def __init__(
        self,
        ledger: Path,
        books: Books,
        running: Callable[[], list[TurnRecord]],
        prices: Callable[[], PriceTable],
    ) -> None:
        self._ledger = ledger
        self._books = books
        self._running = running
        self._prices = prices
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    @property
    def endpoints(self) -> Endpoints:
        """What the front serves of it."""
        return {
            "/api/events": Endpoint(("GET",), self._events),
            "/api/usage": Endpoint(("GET",), self._usage),
        }

    def turn_ended(self, record: TurnRecord) -> None:
        """Tell who looks."""
        if self._listeners:
            self._tell({"kind": "turn", "turn": point(record)})

    def close(self) -> None:
        """End every stream: nobody waits for a browser at shutdown."""
        self._tell(None)

    def _tell(self, event: Event | None) -> None:
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

    def _events(self, _request: ClientRequest) -> Plan:
        if len(self._listeners) >= MOST_LISTENERS:
            problem = Problem(503, "too_many_listeners", "Too many dashboards are open. Close one.")
            return AnswerPlan(problem.reply())
        return StreamPlan(Synthesize(Head(200, SSE_HEADERS), self._stream, PassThrough()))

    async def _stream(self, sink: Sink) -> None:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MOST_BEHIND)
        self._listeners.add(queue)
        try:
            turns = await asyncio.to_thread(self._recent)
            await _write(sink, {"kind": "hello", "turns": turns, **self._now()})
            last, told = self._now(), time.monotonic()
            while True:
                event = await _next(queue)
                if event is None:
                    return
                now = self._now()
                if event or now != last or time.monotonic() - told > ALIVE_SECONDS:
                    await _write(sink, {**(event or {"kind": "running"}), **now})
                    last, told = now, time.monotonic()
        finally:
            self._listeners.discard(queue)

    def _now(self) -> Event:
        now = time.time()
        running = [
            {
                "slug": record.slug,
                "seconds": round(now - record.started),
                "bytes_out": record.bytes_out,
            }
            for record in self._running()
        ]
        quota = {
            route: [one.plain() for one in windows.values()]
            for route, windows in self._books.quotas.items()
        }
        return {"running": running, "quota": quota}

    def _recent(self) -> list[dict[str, object]]:
        try:
            return read_recent(self._ledger, RECENT)
        except sqlite3.Error:
            # there is none before the first turn
            return []

    def _usage(self, request: ClientRequest) -> Plan:
        asked = parse_qs(request.path.partition("?")[2]).get("since", ["7d"])[0]
        since = time.time() - SPANS.get(asked, SPANS["7d"])
        prices = self._prices()

        async def origin(sink: Sink) -> None:
            await sink.write(await asyncio.to_thread(self._report, since, prices))

        return StreamPlan(Synthesize(Head(200, JSON_HEADERS), origin, PassThrough()))

    def _report(self, since: float, prices: PriceTable) -> bytes:
        try:
            models = read_totals(self._ledger, since, "model", prices)
            days = read_totals(self._ledger, since, "day", prices)
        except sqlite3.Error:
            models, days = [], []
        report = {
            "all": plain(sum_of(models)),
            "models": [plain(one) for one in models],
            "days": [plain(one) for one in days],
            "prices_of": prices.date,
        }
        return orjson.dumps(report)


def point(record: TurnRecord) -> Event:
    """One ended turn, in the fields of `read_recent`."""
    usage = record.usage
    return {
        "at": record.started,
        "slug": record.slug,
        "route": record.route,
        "model": record.model,
        "ok": record.ok,
        "terminal": record.terminal,
        "error": record.error,
        "ended": record.ended,
        "ttft": record.ttft,
        "seconds": record.seconds,
        "input": usage and usage.input_tokens,
        "cached": usage and usage.cached_tokens,
        "output": usage and usage.output_tokens,
    }


async def _next(queue: asyncio.Queue[Event | None]) -> Event | None:
    """The next event; an empty one when nothing happened for a while."""
    try:
        return await asyncio.wait_for(queue.get(), LOOK_SECONDS)
    except TimeoutError:
        return {}


async def _write(sink: Sink, event: Event) -> None:
    await sink.write(b"data: %s\n\n" % orjson.dumps(event))
