"""`codex-shim usage`: token usage by model, day, thread, agent, …, with cache hits, cost and quota.

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
from typing import TYPE_CHECKING, Literal

import typer

from addons.adapters.ledger.reader import By
from addons.adapters.ledger.usage_report import (
    Break,
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
from shim_cli.console.format import counted, percent
from shim_cli.console.quota import quota_lines
from shim_cli.console.terminal import is_terminal
from shim_cli.state.sources import open_sources_with_warnings

if TYPE_CHECKING:
    from shim_cli.console.tables import Column, Row

Form = Literal["text", "json", "csv"]
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BAR_WIDTH = 24
MAX_KEY_LENGTH = 36
MAX_LINES = 30
"""How many lines the table has. JSON and CSV have all of them."""
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
    start = period_start(since, now)
    path = ledger_file(env)
    if not path.exists():
        typer.echo(_empty_report(form, by))
        return 0
    prices = shipped_prices(open_sources_with_warnings(env, settings).rows.rows)
    try:
        totals = read_totals(path, start, by, prices)
        breaks, quotas = read_breaks(path, start), read_quotas(path)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    quota = {route: [one.plain() for one in windows] for route, windows in quotas.items()}
    report = UsageReport(by, start, totals, breaks, quota, prices)
    if form == "csv":
        typer.echo(_csv(report), nl=False)
    elif form == "json":
        typer.echo(json.dumps(_json(report), ensure_ascii=False))
    else:
        if report.totals and is_terminal():
            _write_table(env, report)
            rest = _below(report, now)
        else:
            rest = _text(report, now)
        typer.echo("\n".join(rest))
    return 0


def _empty_report(form: str, by: By) -> str:
    if form == "json":
        return json.dumps({"totals": [], "all": plain(Total("all")), "breaks": [], "quota": {}})
    return _csv_head(by) if form == "csv" else "No turn has been recorded yet."


def unreadable(path: Path, error: sqlite3.Error) -> CliError:
    """Return the error about a ledger that cannot be read."""
    advice = f"Check {path}. If it is damaged, move it away: the shim creates a new one."
    msg = f"the ledger cannot be read: {error}"
    return CliError(msg, advice)


def period_start(since: str, now: float) -> float:
    """Return the Unix time of `--since`. Raises UsageProblem."""
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
    out.write(_csv_head(report.by) + "\n")
    for row in rows:
        key = str(row["key"])
        # A spreadsheet would evaluate it as a formula.
        writer.writerow({**row, "key": f"'{key}" if key.startswith(_FORMULA_PREFIXES) else key})
    return out.getvalue()


def _csv_head(by: str) -> str:
    _, *fields = plain(Total(""))
    return ",".join((by, *fields))


def _text(report: UsageReport, now: float) -> list[str]:
    if not report.totals:
        return ["No turn in this period.", *_events(report, now)]
    most = max(one.input + one.output for one in report.totals)
    rows = (_line(one, most) for one in _shown(report.totals))
    return [_head(report.by), *rows, *_below(report, now)]


def _shown(totals: Sequence[Total]) -> Sequence[Total]:
    return [*totals[:MAX_LINES], sum_totals(totals)] if len(totals) > 1 else totals


def _below(report: UsageReport, now: float) -> list[str]:
    """Return the lines below the table."""
    return [*_more(report), "", *_notes(report.totals, report.prices), *_events(report, now)]


def _events(report: UsageReport, now: float) -> list[str]:
    return [*map(_break_line, report.breaks), *quota_lines(report.quota, now)]


def _write_table(env: Mapping[str, str], report: UsageReport) -> None:
    from shim_cli.console.tables import terminal_console, write_table  # noqa: PLC0415

    write_table(terminal_console(env), *usage_table(report))


def usage_table(report: UsageReport) -> tuple[list[Column], list[Row]]:
    """Return the table for a terminal. The last row is the sum, if there is more than one."""
    from shim_cli.console.tables import Column, Row  # noqa: PLC0415

    titles = ("turns", "input", "cached", "output", "cost")
    columns = [
        Column(report.by, style="cyan"),
        *(Column(title, number=True) for title in titles),
        Column("share of tokens"),
    ]
    most = max(one.input + one.output for one in report.totals)
    is_sum = len(report.totals) > 1
    shown = _shown(report.totals)
    return columns, [
        Row(
            (
                one.key or "(none)",
                f"{one.turns:,}",
                short_count(one.input),
                "-" if one.cached_share is None else percent(one.cached_share),
                short_count(one.output),
                _cost(one),
                _bar(one, most),
            ),
            style="bold" if is_sum and one is shown[-1] else "",
        )
        for one in shown
    ]


def _more(report: UsageReport) -> list[str]:
    more = len(report.totals) - MAX_LINES
    if more <= 0:
        return []
    return [f"{counted(more, report.by)} more are in `all`. List them: --json or --csv"]


def _head(by: str) -> str:
    return (
        f"{by:<{MAX_KEY_LENGTH}} {'turns':>6} {'input':>8} {'cached':>7} {'output':>8} {'cost':>10}"
    )


def _line(total: Total, most: int) -> str:
    key = total.key or "(none)"
    key = key if len(key) <= MAX_KEY_LENGTH else f"{key[: MAX_KEY_LENGTH - 1]}…"
    share = "-" if total.cached_share is None else percent(total.cached_share)
    figures = (
        f"{total.turns:>6} {short_count(total.input):>8} {share:>7} {short_count(total.output):>8}"
    )
    return f"{key:<{MAX_KEY_LENGTH}} {figures} {_cost(total):>10}  {_bar(total, most)}".rstrip()


def _bar(total: Total, most: int) -> str:
    tokens = min(total.input + total.output, most)
    return "█" * round(BAR_WIDTH * tokens / most) if most and total.key != "all" else ""


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
        notes.append(
            f"{counted(whole.failed, 'turn')} failed or {'was' if whole.failed == 1 else 'were'} aborted."
        )
    if whole.uncounted:
        notes.append(f"{counted(whole.uncounted, 'turn')} reported no usage.")
    return notes


def _break_line(one: Break) -> str:
    when = datetime.fromtimestamp(one.at).astimezone().strftime("%d %b %H:%M")
    return f"cache: {when}, thread {one.thread}, {one.slug}: the prompt changed at {one.where}"
