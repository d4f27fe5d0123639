"""`codex-shim usage --quota`: who used each rate-limit window, how fast, and when it will be empty.

Reads the ledger only; the shim need not run. Never does: show a share as exact that is a range. Invariant: the shares,
what was used before the first recorded turn and elsewhere add up to what is used, within the ranges.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import typer

from addons.adapters.ledger.quota_report import WindowUse, read_windows
from addons.adapters.ledger.reader import IN_ORDER, By
from addons.adapters.system.paths import ledger_file
from addons.core.routes import provider_name
from addons.core.telemetry.quota_shares import Forecast, Share
from shim_cli.console.format import HOUR, MINUTE, counted, rough_duration
from shim_cli.console.printable import printable_line
from shim_cli.usage.command import MAX_KEY_LENGTH, MAX_LINES, period_start, unreadable

FAR_SECONDS = 18 * HOUR
"""From here on a time is shown with its day."""
FULL = 100.0
NOTHING = "No upstream has reported a quota with a turn yet."


def write_quota(env: Mapping[str, str], since: str | None, by: By, *, as_json: bool) -> int:
    """Write who used each window. Return the exit code; raises CliError."""
    now = time.time()
    start = None if since is None else period_start(since, now)
    path = ledger_file(env)
    try:
        windows = read_windows(path, by, start, now) if path.exists() else []
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    if as_json:
        report = {"by": by, "since": start, "windows": [plain(one, by) for one in windows]}
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        blocks = ["\n".join(_lines(one, by, now)) for one in windows]
        typer.echo("\n\n".join(blocks) or NOTHING)
    return 0


def plain(use: WindowUse, by: By) -> dict[str, object]:
    """Return a window and its shares for JSON."""
    window, shares = use.window, use.shares
    rate = use.forecast
    return {
        "route": window.route,
        "name": window.name,
        "minutes": window.minutes,
        "used_percent": use.used,
        "resets_at": window.resets_at,
        "before": shares.before,
        "total": round(shares.total, 6),
        "shares": [{"key": key, **_bounds(share)} for key, share in ranked(use, by)],
        "elsewhere": shares.elsewhere and _bounds(shares.elsewhere),
        "percent_per_hour": rate and round(rate.points_per_hour, 3),
        "empty_at": rate and rate.empty_at and round(rate.empty_at),
    }


def _bounds(share: Share) -> dict[str, float]:
    return {"low": round(share.low, 6), "high": round(share.high, 6)}


def ranked(use: WindowUse, by: By) -> Sequence[tuple[str, Share]]:
    """Return the shares, the largest first; days and hours in order."""
    shares = use.shares.by_key.items()
    if by in IN_ORDER:
        return sorted(shares)
    return sorted(shares, key=lambda one: (-one[1].high, -one[1].low, one[0]))


def _lines(use: WindowUse, by: By, now: float) -> Iterator[str]:
    window = use.window
    length = rough_duration(window.minutes * MINUTE)
    name = f"{provider_name(window.route)}, {window.name} window of {length}"
    yield printable_line(f"{name}: {use.used:g} % used{_reset(window.resets_at, now)}")
    if use.forecast:
        yield f"  {use.forecast.points_per_hour:.3g} % per hour: {ending(use.used, use.forecast, now)}"
    shares = ranked(use, by)
    for key, share in shares[:MAX_LINES]:
        yield _line(printable_line(key) or "(none)", share)
    if len(shares) > MAX_LINES:
        yield f"  {counted(len(shares) - MAX_LINES, by)} more. List them: --json"
    if use.shares.elsewhere:
        yield _line("elsewhere", use.shares.elsewhere)
    if use.shares.before:
        yield _line("before the first of these turns", Share(use.shares.before, use.shares.before))


def _line(name: str, share: Share) -> str:
    name = name if len(name) <= MAX_KEY_LENGTH else f"{name[: MAX_KEY_LENGTH - 1]}…"
    return f"  {name:<{MAX_KEY_LENGTH}} {share_text(share):>14}"


def share_text(share: Share) -> str:
    """Return a share as text: `5 %`, or `4-6 %` for a range."""
    low, high = (f"{round(bound, 1):g}" for bound in share)
    return f"{low} %" if low == high else f"{low}-{high} %"


def _reset(resets_at: float | None, now: float) -> str:
    if resets_at is None:
        return ""
    return f", resets in {rough_duration(resets_at - now)}" if resets_at > now else ", has reset since"  # fmt: skip


def ending(used: float, rate: Forecast, now: float) -> str:
    """Return when a window ends: `empty at about 16:40`, with the day if that is far."""
    if used >= FULL:
        return "used up until the reset"
    if rate.empty_at is None:
        return "lasts until the reset"
    at = datetime.fromtimestamp(rate.empty_at).astimezone()
    return f"empty at about {at.strftime('%a %H:%M' if rate.empty_at - now > FAR_SECONDS else '%H:%M')}"
