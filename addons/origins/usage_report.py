"""Reads the ledger: totals by model, day, thread or route, with costs, and the quotas.

Never does: write, decide what is shown. Invariant: a total counts every turn once; a cost is only given for turns
whose price is known, and the others are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from addons.core.prices import PLAN_ROUTES, PriceTable
from addons.core.quota import Window
from addons.origins.ledger import open_reader

By = Literal["model", "day", "thread", "route"]
# Each is put into the statement as it stands here.
_KEYS: dict[By, str] = {
    "model": "slug",
    "day": "date(at, 'unixepoch', 'localtime')",
    "thread": "thread",
    "route": "route",
}
TOKENS = ("input", "cached", "cache_written", "output", "reasoning")


@dataclass(slots=True)
class Total:
    """What the turns of one key come to."""

    key: str
    turns: int = 0
    failed: int = 0
    input: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0
    uncounted: int = 0
    """Turns whose upstream told no usage."""
    breaks: int = 0
    """Turns that broke with the prefix of the one before them."""
    seconds: float = 0.0
    cost: float = 0.0
    """US dollars, of the turns whose price is known."""
    unpriced: int = 0
    """Turns without a known price."""
    on_plan: int = 0
    """Turns that a plan pays for."""

    @property
    def cached_share(self) -> float | None:
        """The part of the input that was read from the provider's cache."""
        return self.cached / self.input if self.input else None

    def add(self, other: Total) -> None:
        """Count these turns as well."""
        for name in ("turns", "failed", *TOKENS, "uncounted", "breaks", "seconds", "cost", "unpriced", "on_plan"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))


def read_totals(path: Path, since: float, by: By, prices: PriceTable) -> list[Total]:
    """The totals of turns that began at or after `since`, largest input first; days in their order.

    Raises sqlite3.Error.
    """
    statement = (
        f"SELECT {_KEYS[by]}, slug, route, model, count(*), sum(NOT ok), {', '.join(f'ifnull(sum({n}), 0)' for n in TOKENS)}, "  # noqa: S608  constants of this module
        "sum(input IS NULL), sum(broke_at != ''), sum(seconds) FROM turns WHERE at >= ? GROUP BY 1, 2, 3, 4"
    )
    totals: dict[str, Total] = {}
    with open_reader(path) as db:
        for key, slug, route, model, *figures in db.execute(statement, (since,)):
            part = Total(key or "", *figures)
            _price(part, slug, route, model, prices)
            totals.setdefault(part.key, Total(part.key)).add(part)
    if by == "day":
        return sorted(totals.values(), key=lambda one: one.key)
    return sorted(totals.values(), key=lambda one: (-one.input - one.output, one.key))


def _price(part: Total, slug: str, route: str, model: str, prices: PriceTable) -> None:
    counted = part.turns - part.uncounted
    if route in PLAN_ROUTES:
        part.on_plan = part.turns
    elif price := prices.find(slug, model):
        part.cost = price.cost({name: getattr(part, name) for name in TOKENS})
        part.unpriced = part.uncounted
    else:
        part.unpriced = counted + part.uncounted


def sum_of(totals: Iterable[Total]) -> Total:
    """All of them in one."""
    whole = Total("all")
    for one in totals:
        whole.add(one)
    return whole


@dataclass(frozen=True, slots=True)
class Break:
    """A turn whose prompt did not continue the one before it."""

    at: float
    thread: str
    slug: str
    where: str


def read_breaks(path: Path, since: float, most: int = 5) -> list[Break]:
    """The newest breaks of prefixes. Raises sqlite3.Error."""
    statement = "SELECT at, thread, slug, broke_at FROM turns WHERE at >= ? AND broke_at != '' ORDER BY at DESC LIMIT ?"
    with open_reader(path) as db:
        return [Break(*row) for row in db.execute(statement, (since, most))]


def read_quotas(path: Path) -> dict[str, list[Window]]:
    """Route → its windows as they were last told. Raises sqlite3.Error."""
    quotas: dict[str, list[Window]] = {}
    statement = (
        "SELECT route, name, used_percent, minutes, resets_at FROM quota ORDER BY route, name"
    )
    with open_reader(path) as db:
        for route, *fields in db.execute(statement):
            quotas.setdefault(route, []).append(Window(*fields))
    return quotas


def read_recent(path: Path, most: int) -> list[dict[str, object]]:
    """The newest turns, oldest first, as the dashboard draws them. Raises sqlite3.Error."""
    names = (
        "at, slug, route, model, ok, terminal, error, ended, ttft, seconds, input, cached, output"
    )
    statement = f"SELECT {names} FROM turns ORDER BY id DESC LIMIT ?"  # noqa: S608  constants
    with open_reader(path) as db:
        rows = db.execute(statement, (most,)).fetchall()
    turns = [dict(zip(names.split(", "), row, strict=True)) for row in reversed(rows)]
    return [{**turn, "ok": bool(turn["ok"])} for turn in turns]


def plain(total: Total) -> dict[str, object]:
    """One total for JSON: a cost that nobody knows is null."""
    share = total.cached_share
    priced = total.turns - total.unpriced - total.on_plan
    return {
        **asdict(total),
        "seconds": round(total.seconds, 3),
        "cached_share": None if share is None else round(share, 4),
        "cost": round(total.cost, 6) if priced else None,
    }
