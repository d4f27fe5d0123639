"""The budgets of models.json: from JSON to `Budget`, and a reason for each that cannot be used.

Never does: fill in a limit. Invariant: total; names are unique, and can be typed in a shell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from addons.core.limits import shown
from addons.core.settings.near_miss import nearest
from addons.core.telemetry.budgets import Budget, Per, Unit, UnknownPrice

FIELDS = ("name", "per", "dollars", "tokens", "model", "unknown_price")
PERS = ("day", "thread", "agent", "model")
UNITS: tuple[Literal["dollars"], Literal["tokens"]] = ("dollars", "tokens")
UNKNOWN_PRICES = ("refuse", "allow")
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][\w.-]{0,59}", re.ASCII)
"""A name is no number, because a number is the position in the list."""


@dataclass(frozen=True, slots=True)
class WrongBudget:
    """One problem. `field` is empty when it is one of the whole budget."""

    at: int
    field: str
    reason: str


@dataclass(slots=True)
class _Reader:
    problems: list[WrongBudget] = field(default_factory=list)

    def read(self, values: list[object]) -> tuple[Budget, ...]:
        budgets: dict[str, Budget] = {}
        for at, value in enumerate(values):
            budget = self._budget(at, value)
            if budget and budget.name in budgets:
                reason = f"another budget has the name {budget.name!r}: give each its own"
                self._wrong(at, "name", reason)
            elif budget:
                budgets[budget.name] = budget
        return tuple(budgets.values())

    def _budget(self, at: int, value: object) -> Budget | None:
        if not isinstance(value, dict):
            self._wrong(at, "", "not an object")
            return None
        for name in sorted(value.keys() - set(FIELDS)):
            near = nearest(name, FIELDS)
            meant = (
                f' (did you mean "{near}"?)' if near else f": the fields are {', '.join(FIELDS)}"
            )
            self._wrong(at, name, f"there is no such field{meant}")
        before = len(self.problems)
        per = self._choice(at, value, "per", PERS, "")
        limit = self._limit(at, value)
        model = self._text(at, value, "model")
        unknown = self._choice(at, value, "unknown_price", UNKNOWN_PRICES, "refuse")
        name = self._text(at, value, "name")
        if name and not _NAME.fullmatch(name):
            self._wrong(
                at,
                "name",
                f"{shown(name)} is no name: letters, digits, -, _ and ., not digits only",
            )
        if len(self.problems) > before or limit is None:
            return None
        unit, amount = limit
        name = name or _default_name(per, unit, model)
        return Budget(name, cast("Per", per), unit, amount, model, cast("UnknownPrice", unknown))

    def _choice(
        self, at: int, value: Mapping[str, object], name: str, known: tuple[str, ...], default: str
    ) -> str:
        chosen = value.get(name, default)
        if isinstance(chosen, str) and chosen in known:
            return chosen
        near = nearest(chosen, known) if isinstance(chosen, str) else ""
        meant = f' (did you mean "{near}"?)' if near else ""
        what = "it is missing" if name not in value else f"{shown(chosen)} is none of them{meant}"
        self._wrong(at, name, f"it is one of {', '.join(known)}; {what}")
        return default

    def _limit(self, at: int, value: Mapping[str, object]) -> tuple[Unit, float] | None:
        named = [unit for unit in UNITS if unit in value]
        if len(named) != 1:
            self._wrong(at, "", "it needs either dollars or tokens")
            return None
        (unit,) = named
        amount = value[unit]
        is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
        if not is_number or not 0 < cast("float", amount) < math.inf:
            self._wrong(at, unit, f"{shown(amount)} is not a number above 0")
            return None
        return unit, float(cast("float", amount))

    def _text(self, at: int, value: Mapping[str, object], name: str) -> str:
        text = value.get(name, "")
        if isinstance(text, str):
            return text
        self._wrong(at, name, f"{shown(text)} is not text")
        return ""

    def _wrong(self, at: int, name: str, reason: str) -> None:
        self.problems.append(WrongBudget(at, name, reason))


def _default_name(per: str, unit: str, model: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(filter(None, (per, unit, model))))[:60]


def budgets_from(values: list[object]) -> tuple[tuple[Budget, ...], tuple[WrongBudget, ...]]:
    """Return the usable budgets of a list, and the problems of the others."""
    reader = _Reader()
    return reader.read(values), tuple(reader.problems)
