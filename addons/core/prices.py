"""What tokens cost: list prices by model, and what a row of models.json says instead.

Never does: guess. A model that is not in the table has no price, and its cost is unknown rather than zero; what a
plan pays for has no price per token. Invariant: prices are US dollars per million tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

MILLION = 1_000_000
PLAN_ROUTES = frozenset({"chatgpt", "cursor", "demo"})
"""Providers whose turns a subscription pays for, or nobody."""
_DATED = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d|latest)$")


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model."""

    input: float
    output: float
    cached: float | None = None
    """Input read from the provider's cache; None: it costs what input costs."""
    cache_written: float | None = None

    def cost(self, tokens: Mapping[str, int]) -> float:
        """What these tokens cost: keys as in `Usage.plain`."""
        cached, written = tokens.get("cached", 0), tokens.get("cache_written", 0)
        fresh = max(0, tokens.get("input", 0) - cached - written)
        total = (
            fresh * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + written * (self.input if self.cache_written is None else self.cache_written)
            + tokens.get("output", 0) * self.output
        )
        return total / MILLION


@dataclass(frozen=True, slots=True)
class PriceTable:
    """List prices, the date on which they were read, and the rows' own."""

    date: str
    models: Mapping[str, Price] = field(default_factory=dict)
    rows: Mapping[str, Price] = field(default_factory=dict)
    """Slug → what its row says."""

    def find(self, slug: str, model: str) -> Price | None:
        """The price of a turn; None when it is not known."""
        return self.rows.get(slug) or self._listed(model)

    def _listed(self, model: str) -> Price | None:
        name = model.lower().rpartition("/")[2]
        return self.models.get(name) or self.models.get(_DATED.sub("", name))


def price_of(fields: object) -> Price | None:
    """Read one price of JSON; None for what is none."""
    if not isinstance(fields, Mapping):
        return None
    told = ((name, fields.get(name)) for name in ("input", "output", "cached", "cache_written"))
    figures = {name: float(value) for name, value in told if _is_price(value)}
    if "input" not in figures or "output" not in figures:
        return None
    return Price(**figures)


def _is_price(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MILLION


def price_table(root: object, rows: Mapping[str, Price] | None = None) -> PriceTable:
    """Read the table that is shipped."""
    fields = root if isinstance(root, Mapping) else {}
    listed = fields.get("models")
    listed = listed if isinstance(listed, Mapping) else {}
    prices = {str(name): price for name, one in listed.items() if (price := price_of(one))}
    return PriceTable(str(fields.get("date", "")), prices, rows or {})
