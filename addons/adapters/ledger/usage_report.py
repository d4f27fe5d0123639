"""Read the ledger: totals by model, day, thread, agent, …, with costs, and the rate-limit windows; the last turns.

Never does: write, format. Invariant: a total counts every turn once; its cost covers the turns whose price is known,
and `unpriced` counts the others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import orjson

from addons.adapters.ledger.reader import IN_ORDER, IS_TURN, By, key_column, open_reader
from addons.core.json_values import as_object
from addons.core.settings.row import ModelRow
from addons.core.telemetry.prices import PLAN_ROUTES, PriceTable, parse_price_table
from addons.core.usage import Window

_RECENT = (
    "at", "thread", "slug", "route", "model", "status", "ok", "terminal", "error", "ended", "ttft", "seconds", "input",
    "cached", "output", "attempts",
)  # fmt: skip
ACCESS_LOG_TAIL = 512 * 1024
"""How much of the access log is read: more than the lines of 200 turns."""
TOKENS = ("input", "cached", "cache_written", "output", "reasoning")


@dataclass(slots=True)
class Total:
    """The totals of all turns with one key."""

    key: str
    turns: int = 0
    failed: int = 0
    input: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0
    uncounted: int = 0
    """Turns whose upstream reported no usage."""
    breaks: int = 0
    """Turns whose prompt did not continue the previous one of the thread."""
    seconds: float = 0.0
    cost: float = 0.0
    """US dollars for the turns whose price is known."""
    unpriced: int = 0
    """Turns without a known price."""
    on_plan: int = 0
    """Turns that a subscription covers."""

    @property
    def cached_share(self) -> float | None:
        """The share of the input that the provider read from its cache, None without input.

        Rounded here, so that every reader makes the same percentage of it.
        """
        return round(self.cached / self.input, 4) if self.input else None

    def add(self, other: Total) -> None:
        """Add the totals of other turns."""
        for name in ("turns", "failed", *TOKENS, "uncounted", "breaks", "seconds", "cost", "unpriced", "on_plan"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))


def shipped_prices(rows: Iterable[ModelRow] = ()) -> PriceTable:
    """Return the price table of the package, overridden by the prices in these rows of models.json."""
    data = files("addons.data").joinpath("prices.json").read_bytes()
    return parse_price_table(orjson.loads(data), {row.slug: row.price for row in rows if row.price})


def read_totals(path: Path, since: float, by: By, prices: PriceTable) -> list[Total]:
    """Return the totals of turns that started at or after `since`: days and hours in order, other keys by their tokens.

    Raises sqlite3.Error.
    """
    statement = (
        f"SELECT {{key}}, slug, route, model, count(*), sum(NOT ok), {', '.join(f'ifnull(sum({n}), 0)' for n in TOKENS)}, "  # noqa: S608  constants of this module
        f"sum(input IS NULL), sum(broke_at != ''), sum(seconds) FROM turns WHERE at >= ? AND {IS_TURN} GROUP BY 1, 2, 3, 4"
    )
    totals: dict[str, Total] = {}
    with open_reader(path) as db:
        rows = db.execute(statement.format(key=key_column(db, by)), (since,))
        for key, slug, route, model, *figures in rows:
            part = Total(key or "", *figures)
            add_price(part, slug, route, model, prices)
            totals.setdefault(part.key, Total(part.key)).add(part)
    if by in IN_ORDER:
        return sorted(totals.values(), key=lambda total: total.key)
    return sorted(totals.values(), key=lambda total: (-total.input - total.output, total.key))


def add_price(part: Total, slug: str, route: str, model: str, prices: PriceTable) -> None:
    """Add to these totals what their turns cost."""
    if route in PLAN_ROUTES:
        part.on_plan = part.turns
    elif price := prices.find(slug, model):
        part.cost = price.cost({name: getattr(part, name) for name in TOKENS})
        part.unpriced = part.uncounted
    else:
        part.unpriced = part.turns


def sum_totals(totals: Iterable[Total]) -> Total:
    """Return the sum of these totals."""
    whole = Total("all")
    for total in totals:
        whole.add(total)
    return whole


@dataclass(frozen=True, slots=True)
class Break:
    """A turn whose prompt did not continue the previous one of its thread."""

    at: float
    thread: str
    slug: str
    where: str


def read_breaks(path: Path, since: float, limit: int = 5) -> list[Break]:
    """Return the newest breaks of a prompt prefix. Raises sqlite3.Error."""
    statement = "SELECT at, thread, slug, broke_at FROM turns WHERE at >= ? AND broke_at != '' ORDER BY at DESC LIMIT ?"
    with open_reader(path) as db:
        return [Break(*row) for row in db.execute(statement, (since, limit))]


def read_quotas(path: Path) -> dict[str, list[Window]]:
    """Return route → its last known rate-limit windows. Raises sqlite3.Error."""
    quotas: dict[str, list[Window]] = {}
    statement = (
        "SELECT route, name, used_percent, minutes, resets_at FROM quota ORDER BY route, name"
    )
    with open_reader(path) as db:
        for route, *fields in db.execute(statement):
            quotas.setdefault(route, []).append(Window(*fields))
    return quotas


def read_recent(path: Path, limit: int) -> list[dict[str, object]]:
    """Return the newest turns, oldest first, with the columns of the dashboard. Raises sqlite3.Error."""
    columns = f"flow, {', '.join(_RECENT)}"
    statement = f"SELECT {columns} FROM turns WHERE {IS_TURN} ORDER BY id DESC LIMIT ?"  # noqa: S608  constants
    with open_reader(path) as db:
        rows = db.execute(statement, (limit,)).fetchall()
    turns = [dict(zip(("id", *_RECENT), row, strict=True)) for row in reversed(rows)]
    return [{**turn, "ok": bool(turn["ok"])} for turn in turns]


def read_attempts(access_log: Path) -> dict[str, list[dict[str, object]]]:
    """Return the attempts of the newest turns in the access log, by the id of the turn. Raises OSError.

    The log holds a line of any kind that a killed process left: what is no turn is left out.
    """
    with access_log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - ACCESS_LOG_TAIL))
        lines = file.read(ACCESS_LOG_TAIL).split(b"\n")
    found: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        with contextlib.suppress(orjson.JSONDecodeError):
            turn = as_object(orjson.loads(line))
            if isinstance(attempts := turn.get("attempts"), list):
                found[str(turn.get("id"))] = attempts
    return found


def plain(total: Total) -> dict[str, object]:
    """Return a total for JSON. An unknown cost is null."""
    priced = total.turns - total.unpriced - total.on_plan
    return {
        **asdict(total),
        "seconds": round(total.seconds, 3),
        "cached_share": total.cached_share,
        "cost": round(total.cost, 6) if priced else None,
    }
