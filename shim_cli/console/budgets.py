"""Budgets as text, for `status` and `budget`.

Never does: trust the program that answered on a port. Invariant: a budget without numbers is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TypeGuard

from addons.core.json_values import as_str
from addons.core.telemetry.budgets import Unit, amount_text
from shim_cli.console.format import percent, rough_duration
from shim_cli.console.printable import printable


def budget_pairs(budgets: object, now: float) -> list[tuple[str, str]]:
    """Return the name and the state of each budget: `budget day-dollars`, `$3.12 of $5.00 per day (62%)`."""
    if not isinstance(budgets, list):
        return []
    return [
        (f"budget {printable(as_str(one.get('name')))}", text)
        for one in budgets
        if isinstance(one, Mapping) and (text := budget_text(one, now))
    ]


def budget_text(budget: Mapping[str, object], now: float) -> str:
    """Return the state of a budget; empty if it has no numbers."""
    spent, limit = budget.get("spent"), budget.get("limit")
    if not _is_number(spent) or not _is_number(limit) or limit <= 0:
        return ""
    unit: Unit = "tokens" if budget.get("unit") == "tokens" else "dollars"
    per, model = printable(as_str(budget.get("per"))), printable(as_str(budget.get("model")))
    used = f"{amount_text(spent, unit)} of {amount_text(limit, unit)} per {per}"
    of_model = f", {model}" if model else ""
    return f"{used}{of_model} ({percent(spent / limit)}){_lifted(budget, now)}"


def _lifted(budget: Mapping[str, object], now: float) -> str:
    until = budget.get("lifted_until")
    return (
        f", lifted for {rough_duration(until - now)}" if _is_number(until) and until > now else ""
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
