"""The data of the dashboard: the stream of live turns, and the totals of the ledger.

Never does: read the ledger on the event loop, delay a turn for a slow browser. Invariant: it sends numbers and names
only, as the access log does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from addons.adapters.ledger.agent_trees import read_agent_trees
from addons.adapters.ledger.quota_report import read_forecasts
from addons.adapters.ledger.usage_report import (
    plain,
    read_attempts,
    read_quotas,
    read_recent,
    read_totals,
    sum_totals,
)
from addons.core.routes import RouteTable
from addons.core.settings.labels import RouteLabels
from addons.core.telemetry.outcomes import outcome_text
from addons.core.telemetry.prices import PriceTable
from addons.core.telemetry.record import TurnRecord, attempt_facts
from addons.core.turn import LocalSource, Sink

MAX_LISTENERS = 8
MAX_QUEUED_EVENTS = 100
"""Events that a browser may be behind; then the oldest one is dropped."""
RECENT_TURNS = 200
POLL_SECONDS = 1.0
KEEPALIVE_SECONDS = 10.0
"""Longest time between two events of a stream."""

Event = dict[str, object]
Quota = Mapping[str, list[dict[str, object]]]


@dataclass(frozen=True, slots=True)
class TurnFiles:
    """Where ended turns are recorded."""

    ledger: Path
    access_log: Path


@dataclass(frozen=True, slots=True)
class TurnSources:
    """What the process knows now."""

    running: Callable[[], list[TurnRecord]]
    quota: Callable[[], Quota]
    unavailable: Callable[[], list[str]]
    """What is not asked now, in words."""
    budgets: Callable[[], list[dict[str, object]]]
    """The budgets with what is spent, as `BudgetKeeper.report` returns them."""
    prices: Callable[[], PriceTable]
    table: Callable[[], RouteTable]


class Dashboard:
    """One per process. Lives on the event loop; only the ledger is read on a thread."""

    def __init__(self, files: TurnFiles, sources: TurnSources) -> None:
        self._files = files
        self._sources = sources
        self._known_labels = RouteLabels(RouteTable())
        self._recorded: Quota = {}
        """What upstreams reported before this process started."""
        self.listeners: set[asyncio.Queue[Event | None]] = set()
        """One queue for each open stream."""

    def live_events(self) -> LocalSource | None:
        """Return the source of one event stream; None when there are too many listeners."""
        return None if len(self.listeners) >= MAX_LISTENERS else self._stream

    def usage_report(self, seconds: float) -> LocalSource:
        """Return the source that writes the totals of the last `seconds` as JSON."""
        now = time.time()
        prices, labels = self._sources.prices(), self._labels()

        async def write(sink: Sink) -> None:
            report = await asyncio.to_thread(self._report, now - seconds, prices)
            burn = await asyncio.to_thread(self._burn, labels, now)
            await sink.write(orjson.dumps({**report, "burn": burn}))

        return write

    def turn_ended(self, record: TurnRecord) -> None:
        """Send the ended turn to every listener."""
        self._publish({"kind": "turn", "turn": self._shown(point(record))})

    def close(self) -> None:
        """End every stream, so that an open dashboard does not delay a shutdown."""
        self._publish(None)

    def _publish(self, event: Event | None) -> None:
        for listener in self.listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(event)

    async def _stream(self, sink: Sink) -> None:
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_QUEUED_EVENTS)
        self.listeners.add(queue)
        try:
            turns = [self._shown(turn) for turn in await asyncio.to_thread(self._recent)]
            await _write(sink, {"kind": "hello", "turns": turns, **self._now()})
            last, written_at = self._now(), time.monotonic()
            while True:
                event = await _next(queue)
                if event is None:
                    return
                now = self._now()
                if event or now != last or time.monotonic() - written_at > KEEPALIVE_SECONDS:
                    await _write(sink, {**(event or {"kind": "running"}), **now})
                    last, written_at = now, time.monotonic()
        finally:
            self.listeners.discard(queue)

    def _now(self) -> Event:
        now, labels = time.time(), self._labels()
        running = [
            {
                "slug": record.slug,
                "thread": record.thread,
                "label": labels.of_turn(record.slug, record.route, record.model),
                "seconds": round(now - record.started),
                "bytes_out": record.bytes_out,
            }
            for record in self._sources.running()
        ]
        quota = [
            {"label": labels.of_provider(provider), "windows": windows}
            for provider, windows in {**self._recorded, **self._sources.quota()}.items()
        ]
        return {
            "running": running,
            "quota": quota,
            "unavailable": self._sources.unavailable(),
            "budgets": self._sources.budgets(),
        }

    def _labels(self) -> RouteLabels:
        table = self._sources.table()
        if self._known_labels.table is not table:
            self._known_labels = RouteLabels(table)
        return self._known_labels

    def _shown(self, turn: Event) -> Event:
        """Return the turn with the words for it: who answered, and how it ended."""
        label = self._labels().of_turn(str(turn["slug"]), str(turn["route"]), str(turn["model"]))
        message = outcome_text(
            ok=bool(turn["ok"]),
            status=cast("int", turn["status"]),
            terminal=str(turn["terminal"]),
            error=str(turn["error"]),
            ended=str(turn["ended"]),
        )
        return {**turn, "label": label, "message": message}

    def _recent(self) -> list[Event]:
        """Return the last turns, and remember the recorded quota."""
        try:
            turns = read_recent(self._files.ledger, RECENT_TURNS)
            quotas = read_quotas(self._files.ledger)
        except sqlite3.Error:
            # The ledger is made with the first turn.
            return []
        self._recorded = {
            provider: [window.plain() for window in windows] for provider, windows in quotas.items()
        }
        try:
            attempts = read_attempts(self._files.access_log)
        except OSError:
            attempts = {}
        return [{**turn, "tries": attempts.get(str(turn["id"]), [])} for turn in turns]

    def _burn(self, labels: RouteLabels, now: float) -> list[Event]:
        """Return how fast each window is used, and when it will be empty."""
        try:
            found = read_forecasts(self._files.ledger, now)
        except sqlite3.Error:
            found = []
        return [
            {
                "label": labels.of_provider(window.route),
                "name": window.name,
                "percent_per_hour": round(rate.points_per_hour, 3),
                "empty_at": rate.empty_at,
            }
            for window, rate in found
        ]

    def _report(self, since: float, prices: PriceTable) -> Event:
        try:
            models = read_totals(self._files.ledger, since, "model", prices)
            days = read_totals(self._files.ledger, since, "day", prices)
            agents = read_agent_trees(self._files.ledger, since, prices)
        except sqlite3.Error:
            models, days, agents = [], [], []
        return {
            "all": plain(sum_totals(models)),
            "models": [plain(one) for one in models],
            "days": [plain(one) for one in days],
            "agents": agents,
            "prices_of": prices.date,
        }


def point(record: TurnRecord) -> Event:
    """Return one ended turn in the fields of `read_recent`, with its attempts as in the access log."""
    usage = record.usage
    return {
        "id": record.id,
        "at": record.started,
        "thread": record.thread,
        "slug": record.slug,
        "route": record.route,
        "model": record.model,
        "status": record.status,
        "ok": record.ok,
        "terminal": record.terminal,
        "error": record.error,
        "ended": record.ended,
        "ttft": record.ttft,
        "seconds": record.seconds,
        "input": usage and usage.input_tokens,
        "cached": usage and usage.cached_tokens,
        "output": usage and usage.output_tokens,
        "attempts": len(record.attempts),
        "tries": attempt_facts(record),
    }


async def _next(queue: asyncio.Queue[Event | None]) -> Event | None:
    """Return the next event; an empty one when none came within a poll; None at the end."""
    try:
        return await asyncio.wait_for(queue.get(), POLL_SECONDS)
    except TimeoutError:
        return {}


async def _write(sink: Sink, event: Event) -> None:
    await sink.write(b"data: %s\n\n" % orjson.dumps(event))
