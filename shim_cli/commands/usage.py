"""`codex-shim usage`: token usage by model, day, thread, route or agent, with cache hits, cost and quota.

Reads the ledger only; the shim need not run. Never does: write to the ledger, count an unknown cost as zero. Invariant:
JSON and CSV contain the same totals as the table.
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
from typing import Literal

import typer

from addons.adapters.ledger.usage_report import (
    Break,
    By,
    Total,
    plain,
    read_breaks,
    read_quotas,
    read_totals,
    shipped_prices,
    sum_totals,
)
from addons.adapters.system.paths import ledger_file
from addons.core.telemetry.prices import PriceTable
from addons.core.telemetry.record import short_count
from shim_cli.console.errors import CliError, UsageProblem
from shim_cli.console.quota import quota_lines
from shim_cli.state.sources import open_sources_with_warnings

Form = Literal["text", "json", "csv"]
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BAR_WIDTH = 24
MAX_KEY_LENGTH = 36
_PERIOD = re.compile(r"(\d{1,6})([mhdw])")
_FORMULA_PREFIXES = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The contents of the ledger for one period."""

    by: str
    start: float
    totals: Sequence[Total]
    breaks: Sequence[Break]
    quota: Mapping[str, object]
    prices: PriceTable


def write_usage(
    env: Mapping[str, str], settings: Path | None, since: str, by: By, form: str
) -> int:
    """Write the report. Return the exit code; raises CliError."""
    now = time.time()
    start = _start(since, now)
    path = ledger_file(env)
    if not path.is_file():
        typer.echo(_empty_report(form))
        return 0
    prices = shipped_prices(open_sources_with_warnings(env, settings).rows.rows)
    try:
        totals = read_totals(path, start, by, prices)
        breaks, quotas = read_breaks(path, start), read_quotas(path)
    except sqlite3.Error as error:
        advice = f"Check {path}. If it is damaged, move it away: the shim creates a new one."
        msg = f"the ledger cannot be read: {error}"
        raise CliError(msg, advice) from error
    quota = {route: [one.plain() for one in windows] for route, windows in quotas.items()}
    report = UsageReport(by, start, totals, breaks, quota, prices)
    if form == "csv":
        typer.echo(_csv(report), nl=False)
    elif form == "json":
        typer.echo(json.dumps(_json(report), ensure_ascii=False))
    else:
        typer.echo("\n".join(_text(report, now)))
    return 0


def _empty_report(form: str) -> str:
    if form == "json":
        return json.dumps({"totals": [], "all": plain(Total("all")), "breaks": [], "quota": {}})
    return ",".join(plain(Total(""))) if form == "csv" else "No turn has been recorded yet."


def _start(since: str, now: float) -> float:
    if since == "all":
        return 0.0
    if period := _PERIOD.fullmatch(since):
        return now - int(period[1]) * UNITS[period[2]]
    try:
        return datetime.fromisoformat(since).timestamp()
    except (ValueError, OverflowError, OSError):
        msg = f"--since {since!r} is neither a period nor a date"
        raise UsageProblem(msg, "Examples: 24h, 7d, 4w, 2026-11-01, all.") from None


def _json(report: UsageReport) -> dict[str, object]:
    return {
        "by": report.by,
        "since": report.start,
        "totals": [plain(one) for one in report.totals],
        "all": plain(sum_totals(report.totals)),
        "breaks": [asdict(one) for one in report.breaks],
        "quota": report.quota,
        "prices_of": report.prices.date,
    }


def _csv(report: UsageReport) -> str:
    out = io.StringIO()
    rows = [plain(one) for one in report.totals]
    writer = csv.DictWriter(out, list(plain(Total(""))), lineterminator="\n")
    out.write(",".join((report.by, *list(plain(Total("")))[1:])) + "\n")
    for row in rows:
        key = str(row["key"])
        # A spreadsheet would evaluate it as a formula.
        writer.writerow({**row, "key": f"'{key}" if key.startswith(_FORMULA_PREFIXES) else key})
    return out.getvalue()


def _text(report: UsageReport, now: float) -> list[str]:
    totals = report.totals
    if not totals:
        lines = ["No turn in this period."]
    else:
        most = max(one.input + one.output for one in totals)
        shown = [*totals, sum_totals(totals)] if len(totals) > 1 else totals
        rows = (_line(one, most) for one in shown)
        lines = [_head(report.by), *rows, "", *_notes(totals, report.prices)]
    lines += [_break_line(one) for one in report.breaks]
    return [*lines, *quota_lines(report.quota, now)]


def _head(by: str) -> str:
    return (
        f"{by:<{MAX_KEY_LENGTH}} {'turns':>6} {'input':>8} {'cached':>7} {'output':>8} {'cost':>10}"
    )


def _line(total: Total, most: int) -> str:
    key = total.key or "(none)"
    key = key if len(key) <= MAX_KEY_LENGTH else f"{key[: MAX_KEY_LENGTH - 1]}…"
    share = "-" if total.cached_share is None else f"{total.cached_share:.0%}"
    figures = (
        f"{total.turns:>6} {short_count(total.input):>8} {share:>7} {short_count(total.output):>8}"
    )
    tokens = min(total.input + total.output, most)
    bar = "█" * round(BAR_WIDTH * tokens / most) if most and total.key != "all" else ""
    return f"{key:<{MAX_KEY_LENGTH}} {figures} {_cost(total):>10}  {bar}".rstrip()


def _cost(total: Total) -> str:
    priced = total.turns - total.unpriced - total.on_plan
    if not priced:
        return "unknown" if total.unpriced else "plan"
    known = f"${total.cost:.2f}" if total.cost >= 1 else f"${total.cost:.4f}"
    return f"> {known}" if total.unpriced else known


def _notes(totals: Sequence[Total], prices: PriceTable) -> list[str]:
    whole = sum_totals(totals)
    notes = [f"List prices of {prices.date}; `price` in a row of models.json overrides them."]
    if whole.failed:
        notes.append(f"{whole.failed} turns failed or were aborted.")
    if whole.uncounted:
        notes.append(f"{whole.uncounted} turns reported no usage.")
    return notes


def _break_line(one: Break) -> str:
    when = datetime.fromtimestamp(one.at).astimezone().strftime("%d %b %H:%M")
    return f"cache: {when}, thread {one.thread}, {one.slug}: the prompt changed at {one.where}"
