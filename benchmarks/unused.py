"""Measure what circuits, budgets, notices and quota recording cost a turn that uses none of them.

    python -m benchmarks.unused

Calls what the event loop runs for them in each turn: without a fallback, without a budget, with an upstream that reports its
windows. CPU time of this thread, the least of many batches, so other programs hardly change it. Exits with 1 above the bound.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from addons.adapters.ledger.budget_keeper import BudgetKeeper, BudgetSources
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.providers.fallback import Fallbacks
from addons.core.routes import Circuit, Route, RouteRetries, RouteTable, TurnRetries
from addons.core.server.endpoints import DataSources
from addons.core.server.router import Router
from addons.core.settings.models_file import NO_ROWS
from addons.core.settings.root import Settings
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import Answer, ClientRequest, EndsWithTurn, Head, Plan, Reply, Send
from addons.proxy.composition import Composition

BOUND_MICROSECONDS = 20.0
BATCHES, CALLS = 25, 2_000
LIMITS_EVENT = (
    b'event: codex.rate_limits\ndata: {"type":"codex.rate_limits","plan_type":"plus","rate_limits":{"allowed":true,'
    b'"limit_reached":false,"primary":{"used_percent":12,"window_minutes":300,"reset_at":1800000000},'
    b'"secondary":{"used_percent":40,"window_minutes":10080,"reset_at":1800500000}}}\n\n'
)


class _Plan:
    """A plan that is told of its end, as those of rows are."""

    def start(self) -> Answer:
        return Answer(Reply(Head(200), b""))

    def on_head(self, head: Head) -> Send:
        raise AssertionError(head)

    def on_body(self, head: Head, body: bytes) -> Send:
        raise AssertionError(head, body)

    def on_fault(self, fault: object) -> Answer:
        raise AssertionError(fault)

    def ended(self) -> None:
        """Hold nothing."""


def pieces() -> Mapping[str, Callable[[], object]]:
    """Return what one turn runs: name → one call."""
    plan: Plan = _Plan()
    route = Route("row", "row", "openai", "big", {}, lambda *_: plan)
    table = RouteTable.of([route])
    request = ClientRequest("POST", "/v1/responses", (), b"{}")
    nothing: dict[str, Any] = {each.name: lambda *_: None for each in fields(DataSources)}
    router = Router(DataSources(**nothing), lambda: 1)
    sources = BudgetSources(Settings, lambda: NO_ROWS, lambda: table, tuple)
    keeper, record = BudgetKeeper(Path("unused"), Path("unused"), sources), TurnRecord()
    quiet = SimpleNamespace(note=lambda _: None)
    parts = SimpleNamespace(
        _ended=0,
        _heap=SimpleNamespace(many_turns_ended=lambda: None),
        turn_log=quiet,
        _last_status=quiet,
        sources=SimpleNamespace(row_routes=SimpleNamespace(local=SimpleNamespace(states={}))),
        budgets=keeper,
        metrics=SimpleNamespace(is_counting=False),
        export=None,
        dashboard=SimpleNamespace(listeners=0),
    )
    retries = RouteRetries()

    def ends() -> None:
        if isinstance(plan, EndsWithTurn):
            plan.ended()

    def counts() -> None:
        turn = TurnRetries(retries)
        turn.begin()
        turn.end()

    def reads_limits() -> object:
        observer = StreamObserver(1 << 20)
        observer.feed(LIMITS_EVENT)
        return observer.rate_limits

    return {
        "budgets before the turn, and its route": lambda: router._plan_on(route, request, table),  # noqa: SLF001
        "retries of the route": counts,
        "the end of the plan": ends,
        "budgets after the turn": lambda: Composition._turn_ended(cast("Any", parts), record),  # noqa: SLF001
        "windows of the upstream": reads_limits,
    }


def microseconds(call: Callable[[], object], batches: int = BATCHES, calls: int = CALLS) -> float:
    """Return the CPU time of one call: the least mean of several batches."""
    least = float("inf")
    for _ in range(batches):
        began = time.thread_time_ns()
        for _ in range(calls):
            call()
        least = min(least, (time.thread_time_ns() - began) / calls / 1_000)
    return least


def with_fallback() -> float:
    """Return the CPU time that a turn of a route with a fallback takes more, until its upstream answers, for comparison."""
    other = Route("other", "other", "openai", "other", {}, lambda *_: _Plan())
    make = Fallbacks(time.time).maker(lambda *_: _Plan(), lambda: [other])
    route = Route("row", "row", "openai", "big", {}, make, circuit=Circuit())
    request = ClientRequest("POST", "/v1/responses", (), b"{}")

    def turn() -> None:
        plan = make(request, route)
        plan.start()
        cast("EndsWithTurn", plan).ended()

    return microseconds(turn)


def main() -> int:
    """Print the figures. Return 1 if their sum is above the bound."""
    argparse.ArgumentParser(
        "python -m benchmarks.unused", description=(__doc__ or "").partition("\n")[0]
    ).parse_args()
    found = {name: microseconds(call) for name, call in pieces().items()}
    total = sum(found.values())
    for name, cost in found.items():
        print(f"{cost:8.2f} µs  {name}")
    print(f"{total:8.2f} µs  in all; the bound is {BOUND_MICROSECONDS:g} µs")
    print(f"{with_fallback():8.2f} µs  with a fallback, until its upstream is asked")
    return 1 if total > BOUND_MICROSECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
