"""Checks turns against the budgets of models.json, with sums in memory that the ledger gives at the start.

A thread reads the ledger before the first check; after that the sums follow the turns that end. It reads the ledger again
when the clock was set, which makes another day today. Turns of another codex-shim with the same ledger count from the next
start on. Never does: SQL on the request path, or anything without
budgets. Invariant: while the sums are not known no turn starts, so that a restart lifts no budget.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from addons.adapters.ledger.reader import IS_TURN, has_column, open_reader
from addons.adapters.ledger.usage_report import TOKENS, shipped_prices
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.core.codex.threads import thread_id_for
from addons.core.errors import Problem
from addons.core.protocols.request_body import decode
from addons.core.routes import Route, RouteTable
from addons.core.server.replies import final_reply
from addons.core.settings.models_file import ModelRows
from addons.core.settings.root import Settings
from addons.core.telemetry.budgets import (
    FREE,
    MEAN_TURNS,
    Answering,
    Ask,
    Budget,
    Cost,
    Lifts,
    OutputMeans,
    Payer,
    Refusal,
    Spending,
    amount_text,
    estimated_tokens,
    nearly_used_up,
    parse_lifts,
    refusals,
)
from addons.core.telemetry.prices import PLAN_ROUTES, Price, PriceTable
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientRequest, Reply, TurnNotes, printable

log = logging.getLogger(__name__)
STILL_READING = Problem(
    503,
    "rate_limit_exceeded",
    "What was spent is still read from the ledger. Please try again in 1s.",
)
"""Codex waits for a second, as it does at a rate limit, and asks again."""
NO_PRICE = Price(0.0, 0.0)
JUMP_SECONDS = 60.0
"""By how much a clock that was set, or a machine that slept, differs from one that went on."""


@dataclass(frozen=True, slots=True)
class BudgetSources:
    """Where the keeper gets what it needs. Called once per check."""

    settings: Callable[[], Settings]
    rows: Callable[[], ModelRows]
    table: Callable[[], RouteTable]
    running: Callable[[], Sequence[TurnNotes]]


class Paid(NamedTuple):
    """A turn that has ended, for the sums."""

    payer: Payer
    cost: Cost
    day: str


@dataclass(frozen=True, slots=True)
class _Reserved:
    """A turn that runs: whom it counts for, its estimate, and its price when it started."""

    payer: Payer
    estimate: Cost
    price: Price | None
    answering: tuple[str, str]
    """Provider and model that the estimate is for."""
    notes: TurnNotes
    """Kept, so that no later turn has the same identity."""


class BudgetKeeper:
    """One per process. All methods but the reading of the ledger run on the event loop."""

    def __init__(
        self,
        ledger: Path,
        lifts: Path,
        sources: BudgetSources,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._lifts_file = CachedFile(lifts)
        self._sources = sources
        self._clock = clock
        self._monotonic = monotonic
        self._offset, self._today = clock() - monotonic(), ""
        """Of the clock, as it was last looked at."""
        self._priced: tuple[ModelRows, PriceTable] | None = None
        self._resolved: tuple[RouteTable, tuple[Budget, ...], tuple[Budget, ...]] | None = None
        self._reading: Future[tuple[Spending, OutputMeans]] | None = None
        self._spending, self._outputs = Spending(), OutputMeans()
        self._ended: list[tuple[Paid, Answering, int]] = []
        """Turns that ended while the ledger was read, with their output."""
        self._reserved: dict[int, _Reserved] = {}
        """By the identity of the notes of a turn."""
        self._warned: set[tuple[str, str]] = set()
        """Name of a budget and day."""
        self.is_counting = False
        """Whether `note` has to be called for each turn that ends."""

    # Before a turn ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read the ledger, if there are budgets and it has not begun before."""
        if self.is_counting or not self._sources.settings().budgets:
            return
        self.is_counting = True
        self._read_ledger()

    def _read_ledger(self) -> None:
        now, prices, table = self._clock(), self._prices(), self._sources.table()
        reader = ThreadPoolExecutor(1, "codex-shim-budgets")
        self._reading = reader.submit(_known_spending, self._ledger, now, prices, table)
        reader.shutdown(wait=False)

    def refusal(self, request: ClientRequest, route: Route) -> Reply | None:
        """Return the answer to a turn that may not start; None, and reserve its estimate, when it may."""
        self.start()
        if not self._is_ready():
            return final_reply(STILL_READING, request, code=STILL_READING.code)
        refused = self._refused(request, route)
        return final_reply(refused.problem, request) if refused else None

    def affords(self, request: ClientRequest, route: Route) -> bool:
        """Return whether a turn that has started may go on with another route, which may cost more."""
        if not self._sources.settings().budgets:
            return True
        self.start()
        return self._is_ready() and self._refused(request, route) is None

    def _refused(self, request: ClientRequest, route: Route) -> Refusal | None:
        turn = self._turn(request, route)
        running = self._running(request.notes)
        ask = Ask(turn.payer, turn.estimate, local_day(self._clock()), running)
        refused = list(refusals(self._budgets(), self._spending, ask))
        if refused:
            lifts = self._lifts()
            refused = [one for one in refused if one.budget.name not in lifts]
        if refused:
            return refused[0]
        self._reserved[id(request.notes)] = turn
        return None

    def _turn(self, request: ClientRequest, route: Route) -> _Reserved:
        cap = self._sources.settings().limits.body_bytes
        body = decode(request.body, request.header(b"content-encoding"), cap)
        tokens = estimated_tokens(request.body if isinstance(body, Problem) else body)
        thread = printable((thread_id_for(request) or b"").decode("latin-1"))
        payer = Payer(route.slug, thread, request.notes.root or thread)
        price = self._price(route.provider, route.slug, route.model)
        answering = printable(route.provider), printable(route.model)
        estimate = {"input": tokens, "output": self._outputs.expected(answering)}
        return _Reserved(payer, cost_of(estimate, price), price, answering, request.notes)

    def _running(self, own: TurnNotes) -> Iterator[tuple[Payer, Cost]]:
        """Return the estimates of the other turns that run now, and forget those of any that have left."""
        live = {id(notes) for notes in self._sources.running()}
        self._reserved = {key: one for key, one in self._reserved.items() if key in live}
        others = [one for key, one in self._reserved.items() if key != id(own)]
        return ((one.payer, one.estimate) for one in others)

    # After a turn -------------------------------------------------------------------------------------------

    def note(self, record: TurnRecord) -> None:
        """Add a turn that has ended, and warn when most of a budget is used up."""
        reserved = self._reserved.pop(id(record), None)
        if not record.route:
            return
        paid = Paid(*self._charged(record, reserved), local_day(record.started))
        output = record.usage.output_tokens if record.usage else 0
        ended = paid, (record.route, record.model), output
        if not self._is_ready():
            self._ended.append(ended)
            return
        self._count(*ended)
        self._warn(paid)

    def _count(self, paid: Paid, answering: Answering, output: int) -> None:
        self._spending.add(*paid)
        if output:
            self._outputs.add(answering, output)

    def _charged(self, record: TurnRecord, reserved: _Reserved | None) -> tuple[Payer, Cost]:
        answering = record.route, record.model
        if reserved is None or reserved.answering != answering:
            # no budget was set when it started, or a fallback did not answer after all
            payer = Payer(record.row, record.thread, record.root or record.thread)
            price = self._price(record.route, record.row, record.model)
            estimate = reserved.estimate if reserved else FREE
            reserved = _Reserved(payer, estimate, price, answering, record)
        if record.usage:
            return reserved.payer, cost_of(record.usage.plain(), reserved.price)
        # an answer that was cut off is paid for, and no count says how much
        has_begun = record.ttft is not None
        return reserved.payer, reserved.estimate if has_begun else FREE

    def _warn(self, paid: Paid) -> None:
        for budget, spent in nearly_used_up(self._budgets(), self._spending, paid.payer, paid.day):
            if (budget.name, paid.day) not in self._warned:
                self._warned = {one for one in self._warned if one[1] == paid.day}
                self._warned.add((budget.name, paid.day))
                log.warning(
                    "Budget %s: %s spent. `codex-shim budget` shows all budgets.",
                    budget.title,
                    amount_text(spent, budget.unit),
                )

    # Reports ------------------------------------------------------------------------------------------------

    def report(self) -> list[dict[str, object]]:
        """Return each budget with what is spent: of several threads, agents or models the one that spent most."""
        if not self.is_counting or not self._is_ready():
            return []
        now = self._clock()
        return budget_report(self._budgets(), self._spending, self._lifts(), local_day(now))

    # Sources ------------------------------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        if not self._reading and self._clock_was_set():
            self._read_ledger()
        if self._reading:
            if not self._reading.done():
                return False
            (spending, self._outputs), self._reading = self._reading.result(), None
            # of the last turns some may not be in the ledger yet
            spending.merge(self._spending)
            self._spending = spending
            for each in self._ended:
                self._count(*each)
            self._ended.clear()
        return True

    def _clock_was_set(self) -> bool:
        """Return whether the sums may be those of another day than the one that is today."""
        now = self._clock()
        before, self._offset = self._offset, now - self._monotonic()
        yesterday, self._today = self._today, local_day(now)
        return abs(self._offset - before) > JUMP_SECONDS or self._today < yesterday

    def _budgets(self) -> tuple[Budget, ...]:
        table, budgets = self._sources.table(), self._sources.settings().budgets
        known = self._resolved
        if known is None or known[0] is not table or known[1] is not budgets:
            self._resolved = known = (table, budgets, with_slugs(budgets, table))
        return known[2]

    def _price(self, provider: str, slug: str, model: str) -> Price | None:
        return NO_PRICE if provider in PLAN_ROUTES else self._prices().find(slug, model)

    def _prices(self) -> PriceTable:
        rows = self._sources.rows()
        if self._priced is None or self._priced[0] is not rows:
            self._priced = rows, shipped_prices(rows.rows)
        return self._priced[1]

    def _lifts(self) -> Lifts:
        try:
            return parse_lifts(self._lifts_file.read(), self._clock())
        except FileAccessError:
            return {}


def local_day(moment: float) -> str:
    """Return the day of a time on this machine, as the ledger writes it."""
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def with_slugs(budgets: Iterable[Budget], table: RouteTable) -> tuple[Budget, ...]:
    """Return the budgets with slugs in place of aliases."""
    return tuple(
        replace(budget, model=route.slug) if (route := table.resolve(budget.model)) else budget
        for budget in budgets
    )


def cost_of(tokens: Mapping[str, int], price: Price | None) -> Cost:
    """Return the cost of counted tokens, under the names of `Usage.plain`."""
    total = tokens.get("input", 0) + tokens.get("output", 0)
    return Cost(total, price.cost(tokens) if price else None)


def budget_report(
    budgets: Iterable[Budget], spending: Spending, lifts: Lifts, day: str
) -> list[dict[str, object]]:
    """Return each budget with what is spent, for JSON."""
    report: list[dict[str, object]] = []
    for budget in budgets:
        spent, where = spending.highest(budget, day)
        report.append(
            {
                "name": budget.name,
                "per": budget.per,
                "model": budget.model or (where if budget.per == "model" else ""),
                "unit": budget.unit,
                "spent": round(spent, 6),
                "limit": budget.limit,
                "lifted_until": lifts.get(budget.name),
            }
        )
    return report


def _known_spending(
    path: Path, before: float, prices: PriceTable, table: RouteTable
) -> tuple[Spending, OutputMeans]:
    try:
        return read_spending(path, before, prices, table), OutputMeans(read_outputs(path, before))
    except (sqlite3.Error, OSError) as error:
        log.warning("The ledger cannot be read: %s. Budgets count from now on.", error)
        return Spending(), OutputMeans()


def read_outputs(path: Path, before: float) -> dict[Answering, float]:
    """Return the mean output of the last turns of each model that ended before this time. Raises sqlite3.Error."""
    if not path.exists():
        return {}
    statement = (
        "SELECT route, model, avg(output) FROM (SELECT route, model, output, "  # noqa: S608  constants
        "row_number() OVER (PARTITION BY route, model ORDER BY at DESC) AS number FROM turns "
        f"WHERE at + seconds < ? AND output > 0 AND {IS_TURN}) WHERE number <= ? GROUP BY 1, 2"
    )
    with open_reader(path) as db:
        rows = db.execute(statement, (before, MEAN_TURNS)).fetchall()
    return {(route, model): float(mean) for route, model, mean in rows}


def read_spending(path: Path, before: float, prices: PriceTable, table: RouteTable) -> Spending:
    """Return the sums of the turns that ended before this time; none if there is no ledger. Raises sqlite3.Error."""
    spending = Spending()
    for paid in _read(path, before, prices, table) if path.exists() else ():
        spending.add(*paid)
    return spending


def _read(path: Path, before: float, prices: PriceTable, table: RouteTable) -> Iterator[Paid]:
    sums = ", ".join(f"ifnull(sum({name}), 0)" for name in TOKENS)
    with open_reader(path) as db:
        root = "root" if has_column(db, "root") else "''"
        statement = (
            f"SELECT date(at, 'unixepoch', 'localtime'), thread, {root}, slug, route, model, {sums} FROM turns "  # noqa: S608  constants
            f"WHERE at + seconds < ? AND {IS_TURN} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1"
        )
        rows = db.execute(statement, (before,)).fetchall()
    for day, thread, root, slug, route, model, *counts in rows:
        found = table.resolve(slug)
        slug = found.slug if found else slug  # noqa: PLW2901  an alias
        price = NO_PRICE if route in PLAN_ROUTES else prices.find(slug, model)
        cost = cost_of(dict(zip(TOKENS, counts, strict=True)), price)
        yield Paid(Payer(slug, thread, root or thread), cost, day)
