"""Circuits, budgets, notices and quota recording cost a turn that uses none of them next to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from addons.adapters.ledger.budget_keeper import BudgetKeeper
from addons.adapters.row_routes import RowRoutes
from addons.core.routes import Route
from addons.core.turn import ClientRequest, Plan
from benchmarks import unused


def total() -> float:
    return sum(unused.microseconds(call, 8, 400) for call in unused.pieces().values())


def test_unused_features_stay_below_their_bound() -> None:
    assert total() < unused.BOUND_MICROSECONDS


def test_cost_of_a_turn_that_is_counted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: object) -> None:
        for _ in range(2_000):
            pass

    monkeypatch.setattr(BudgetKeeper, "is_counting", True, raising=False)
    monkeypatch.setattr(BudgetKeeper, "__init__", lambda *_: None)
    monkeypatch.setattr(BudgetKeeper, "note", lambda _, record: slow(record))
    assert total() > unused.BOUND_MICROSECONDS


def test_route_without_a_fallback_has_the_plans_of_its_row(tmp_path: Path) -> None:
    routes = RowRoutes({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, tmp_path, lambda _: None)

    def make(request: ClientRequest, route: Route) -> Plan:
        raise AssertionError(request, route)

    assert routes.with_fallbacks(make, ()) is make
