"""Read the rate-limit windows from the ledger: who used them, and when they will be used up.

Never does: write, format. Invariant: the shares of a window are those of the turns that its route answered.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from addons.adapters.ledger.reader import By, has_readings, key_column, open_reader
from addons.core.telemetry.quota_shares import (
    RESET_JITTER,
    Activity,
    Forecast,
    Reading,
    Shares,
    forecast,
    periods,
    quota_shares,
)

# `quota` has few windows of each route, whatever an upstream invents
_LAST = (
    "SELECT route, name, r.minutes, r.resets_at, max(r.seen) FROM quota JOIN readings r USING (route, name) "
    "WHERE r.seen = (SELECT max(seen) FROM readings n WHERE n.route = quota.route AND n.name = quota.name) "
    "GROUP BY route, name ORDER BY route, r.minutes, name"
)
_READINGS = (
    "SELECT seen, used_percent, resets_at FROM readings "
    "WHERE route = ? AND name = ? AND minutes = ? AND seen > ? ORDER BY seen"
)
_ACTIVITIES = (
    "SELECT {key}, ifnull((SELECT min(seen) FROM readings WHERE readings.route = ?1 AND name = ?2 "
    "AND seen BETWEEN at AND at + seconds AND readings.flow = turns.flow), at) AS began, at + seconds "
    "FROM turns WHERE route = ?1 AND at > ?3 AND attempts > 0 ORDER BY began"
)
_LONGEST_TURN = 86400.0


class KnownWindow(NamedTuple):
    """A window that an upstream has reported, with its last length, reset time and reading."""

    route: str
    name: str
    minutes: int
    resets_at: float | None
    seen: float

    @property
    def began(self) -> float:
        """When its current period began, in Unix seconds."""
        ends = self.seen if self.resets_at is None else self.resets_at
        return ends - self.minutes * 60


class WindowUse(NamedTuple):
    """Who used a window, and how fast."""

    window: KnownWindow
    used: float
    """Percent, as last reported."""
    shares: Shares
    forecast: Forecast | None


def read_windows(path: Path, by: By, since: float | None, now: float) -> list[WindowUse]:
    """Return every window: its current period, or all turns since a time. Raises sqlite3.Error."""
    with open_reader(path) as db:
        return [window_use(db, one, by, since, now) for one in known_windows(db)]


def read_forecasts(path: Path, now: float) -> list[tuple[KnownWindow, Forecast]]:
    """Return the forecast of each window that has one. Raises sqlite3.Error."""
    with open_reader(path) as db:
        found = [(one, forecast(_current(db, one), one.minutes, now)) for one in known_windows(db)]
    return [(window, rate) for window, rate in found if rate]


def known_windows(db: sqlite3.Connection) -> list[KnownWindow]:
    """Return every window that the ledger has readings of; the short ones of a route first."""
    if not has_readings(db):
        return []
    return [KnownWindow(*row) for row in db.execute(_LAST)]


def window_use(
    db: sqlite3.Connection, window: KnownWindow, by: By, since: float | None, now: float
) -> WindowUse:
    """Return who used this window: in its current period, or since a time."""
    readings = _current(db, window) if since is None else _readings(db, window, since)
    activities = _activities(db, window, by, readings[0].at) if readings else []
    used = readings[-1].used if readings else 0.0
    shares = quota_shares(readings, activities)
    return WindowUse(window, used, shares, forecast(readings, window.minutes, now))


def _current(db: sqlite3.Connection, window: KnownWindow) -> list[Reading]:
    """Return the readings of the current period."""
    return periods(_readings(db, window, window.began - RESET_JITTER))[-1]


def _readings(db: sqlite3.Connection, window: KnownWindow, since: float) -> list[Reading]:
    fields = (window.route, window.name, window.minutes, since)
    return [Reading(*row) for row in db.execute(_READINGS, fields)]


def _activities(
    db: sqlite3.Connection, window: KnownWindow, by: By, since: float
) -> list[Activity]:
    statement = _ACTIVITIES.format(key=key_column(db, by))
    fields = (window.route, window.name, since - _LONGEST_TURN)
    return [Activity(key or "", *times) for key, *times in db.execute(statement, fields)]
