"""Token prices: list prices by model, overridden by rows of models.json.

Never does: guess. The cost of a model that is not in the table is unknown, not zero; turns that a subscription covers
have no price per token. Invariant: prices are US dollars per million tokens. No dataclass: `codex-shim statusline`
imports this before every prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeGuard

MILLION = 1_000_000
PLAN_ROUTES = frozenset({"chatgpt", "cursor", "demo"})
"""Providers whose turns are free or covered by a subscription."""
_DATED = r"-(?:20\d{6}|20\d\d-\d\d-\d\d|latest)$"


class Price(NamedTuple):
    """The price of one model."""

    input: float
    output: float
    cached: float | None = None
    """Input read from the provider's cache; None when it costs the same as other input."""
    cache_written: float | None = None

    def cost(self, tokens: Mapping[str, int]) -> float:
        """Return the cost of these tokens, with the keys of `Usage.plain`."""
        cached, written = tokens.get("cached", 0), tokens.get("cache_written", 0)
        fresh = max(0, tokens.get("input", 0) - cached - written)
        total = (
            fresh * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + written * (self.input if self.cache_written is None else self.cache_written)
            + tokens.get("output", 0) * self.output
        )
        return total / MILLION


class PriceTable(NamedTuple):
    """List prices with the date on which they were collected, and the prices of rows."""

    date: str
    models: Mapping[str, Price] = MappingProxyType({})
    rows: Mapping[str, Price] = MappingProxyType({})
    """Slug → the price in its row."""

    def find(self, slug: str, model: str) -> Price | None:
        """Return the price of a turn, None when it is unknown."""
        return self.rows.get(slug) or self._listed(model)

    def _listed(self, model: str) -> Price | None:
        name = model.lower().rpartition("/")[2]
        return self.models.get(name) or self.models.get(re.sub(_DATED, "", name))


def parse_price(fields: object) -> Price | None:
    """Read a price from JSON. Return None when it is not valid."""
    if not isinstance(fields, Mapping):
        return None
    names = ("input", "output", "cached", "cache_written")
    prices = {name: float(price) for name in names if _is_price(price := fields.get(name))}
    if "input" not in prices or "output" not in prices:
        return None
    return Price(**prices)


def _is_price(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MILLION


def parse_price_table(root: object, rows: Mapping[str, Price] | None = None) -> PriceTable:
    """Read the JSON of the price table, and add the prices of rows."""
    fields = root if isinstance(root, Mapping) else {}
    listed = fields.get("models")
    listed = listed if isinstance(listed, Mapping) else {}
    prices = {str(name): price for name, one in listed.items() if (price := parse_price(one))}
    return PriceTable(str(fields.get("date", "")), prices, rows or {})
