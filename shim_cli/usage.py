"""`codex-shim usage`: what turns have used, by model, day, thread or route, with cache, cost and quota.

Works from the ledger alone, whether the shim runs or not. Never does: write to it, call an unknown cost zero.
Invariant: JSON and CSV hold the same totals as the table.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import typer

from addons.core.prices import PriceTable
from addons.core.record_line import count
from addons.origins.paths import ledger_file
from addons.origins.price_table import shipped_prices
from addons.origins.usage_report import (
    Break,
    By,
    Total,
    plain,
    read_breaks,
    read_quotas,
    read_totals,
    sum_of,
)
from shim_cli.errors import CliError
from shim_cli.quota import quota_lines
from shim_cli.table import open_sources

Form = Literal["text", "json", "csv"]
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BAR = 24
LONGEST_KEY = 36
_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says."""

    by: str
    start: float
    totals: Sequence[Total]
    breaks: Sequence[Break]
    quota: Mapping[str, object]
    prices: PriceTable


def write_usage(
    env: Mapping[str, str], settings: Path | None, since: str, by: str, form: str
) -> int:
    """Write the report. Gives the exit code; raises CliError."""
    now = time.time()
    start = _start(since, now)
    if by not in get_args(By):
        msg = f"--by {by!r} is not known"
        raise CliError(msg, "Use --by model, day, thread or route.")
    path = ledger_file(env)
    if not path.is_file():
        typer.echo(_nothing(form))
        return 0
    prices = shipped_prices(open_sources(env, settings).rows.rows)
    try:
        totals = read_totals(path, start, by, prices)  # type: ignore[arg-type]
        breaks, quotas = read_breaks(path, start), read_quotas(path)
    except sqlite3.Error as error:
        advice = f"Look at {path}. If it is broken, move it away: the shim makes a new one."
        msg = f"the ledger cannot be read: {error}"
        raise CliError(msg, advice) from error
    quota = {route: [one.plain() for one in windows] for route, windows in quotas.items()}
    found = Found(by, start, totals, breaks, quota, prices)
    if form == "csv":
        typer.echo(_csv(found), nl=False)
    elif form == "json":
        typer.echo(json.dumps(_json(found), ensure_ascii=False))
    else:
        typer.echo("\n".join(_text(found, now)))
    return 0


def _nothing(form: str) -> str:
    if form == "json":
        return json.dumps({"totals": [], "all": plain(Total("all")), "breaks": [], "quota": {}})
    return ",".join(plain(Total(""))) if form == "csv" else "No turn has been recorded yet."


def _start(since: str, now: float) -> float:
    if since == "all":
        return 0.0
    if span := _SPAN.fullmatch(since):
        return now - int(span[1]) * UNITS[span[2]]
    try:
        return datetime.fromisoformat(since).timestamp()
    except (ValueError, OverflowError, OSError):
        msg = f"--since {since!r} is neither a span nor a date"
        raise CliError(msg, "Write it like 24h, 7d, 4w, 2026-11-01 or all.") from None


def _json(found: Found) -> dict[str, object]:
    return {
        "by": found.by,
        "since": found.start,
        "totals": [plain(one) for one in found.totals],
        "all": plain(sum_of(found.totals)),
        "breaks": [asdict(one) for one in found.breaks],
        "quota": found.quota,
        "prices_of": found.prices.date,
    }


def _csv(found: Found) -> str:
    out = io.StringIO()
    rows = [plain(one) for one in found.totals]
    writer = csv.DictWriter(out, list(plain(Total(""))), lineterminator="\n")
    out.write(",".join((found.by, *list(plain(Total("")))[1:])) + "\n")
    for row in rows:
        key = str(row["key"])
        # a spreadsheet would run it
        writer.writerow({**row, "key": f"'{key}" if key.startswith(_FORMULA) else key})
    return out.getvalue()


def _text(found: Found, now: float) -> list[str]:
    totals = found.totals
    if not totals:
        lines = ["No turn in this time."]
    else:
        most = max(one.input + one.output for one in totals)
        shown = [*totals, sum_of(totals)] if len(totals) > 1 else totals
        rows = (_line(one, most) for one in shown)
        lines = [_head(found.by), *rows, "", *_notes(totals, found.prices)]
    lines += [_broke(one) for one in found.breaks]
    return [*lines, *quota_lines(found.quota, now)]


def _head(by: str) -> str:
    return f"{by:<{LONGEST_KEY}} {'turns':>6} {'input':>8} {'cached':>7} {'output':>8} {'cost':>10}"


def _line(total: Total, most: int) -> str:
    key = total.key or "(none)"
    key = key if len(key) <= LONGEST_KEY else f"{key[: LONGEST_KEY - 1]}…"
    share = "-" if total.cached_share is None else f"{total.cached_share:.0%}"
    figures = f"{total.turns:>6} {count(total.input):>8} {share:>7} {count(total.output):>8}"
    tokens = min(total.input + total.output, most)
    bar = "█" * round(BAR * tokens / most) if most and total.key != "all" else ""
    return f"{key:<{LONGEST_KEY}} {figures} {_cost(total):>10}  {bar}".rstrip()


def _cost(total: Total) -> str:
    priced = total.turns - total.unpriced - total.on_plan
    if not priced:
        return "unknown" if total.unpriced else "plan"
    known = f"${total.cost:.2f}" if total.cost >= 1 else f"${total.cost:.4f}"
    return f"> {known}" if total.unpriced else known


def _notes(totals: Sequence[Total], prices: PriceTable) -> list[str]:
    whole = sum_of(totals)
    notes = [f"List prices of {prices.date}; `price` in a row of models.json says otherwise."]
    if whole.failed:
        notes.append(f"{whole.failed} turns failed or were ended.")
    if whole.uncounted:
        notes.append(f"{whole.uncounted} turns told no usage.")
    return notes


def _broke(one: Break) -> str:
    when = datetime.fromtimestamp(one.at).astimezone().strftime("%d %b %H:%M")
    return f"cache: {when}, thread {one.thread}, {one.slug}: the prompt changed at {one.where}"
