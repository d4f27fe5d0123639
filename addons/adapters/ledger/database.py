"""The usage ledger: an SQLite file with the tokens of every turn, and what upstreams reported of rate-limit windows.

One thread writes; each reader opens a connection of its own. In WAL mode a committed turn survives a killed process.
Never does: store content or a secret, compute a cost. Invariant: only the user can read the file; a damaged file is
renamed, never deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from addons.adapters.ledger.reader import BUSY_SECONDS, has_column
from addons.adapters.system.files import make_private_folder
from addons.core.telemetry.record import TurnRecord
from addons.core.usage import MAX_WINDOWS, Usage, Window

VERSION = 4
RETENTION_SECONDS = 400 * 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, flow TEXT NOT NULL, thread TEXT NOT NULL, slug TEXT NOT NULL,
    route TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, ok INTEGER NOT NULL, terminal TEXT NOT NULL,
    error TEXT NOT NULL, ended TEXT NOT NULL, attempts INTEGER NOT NULL, ttft REAL, seconds REAL NOT NULL,
    input INTEGER, cached INTEGER, cache_written INTEGER, output INTEGER, reasoning INTEGER,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, broke_at TEXT NOT NULL,
    agent TEXT NOT NULL DEFAULT '', root TEXT NOT NULL DEFAULT '', parent TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS turns_by_time ON turns (at);
CREATE INDEX IF NOT EXISTS turns_by_thread ON turns (thread);
CREATE TABLE IF NOT EXISTS quota (
    route TEXT NOT NULL, name TEXT NOT NULL, used_percent REAL NOT NULL, minutes INTEGER, resets_at REAL,
    seen REAL NOT NULL, PRIMARY KEY (route, name)
);
CREATE TABLE IF NOT EXISTS readings (
    route TEXT NOT NULL, name TEXT NOT NULL, seen REAL NOT NULL, flow TEXT NOT NULL, used_percent REAL NOT NULL,
    minutes INTEGER NOT NULL, resets_at REAL, PRIMARY KEY (route, name, seen, flow)
) WITHOUT ROWID;
"""
_NO_TOKENS = (None,) * 5
MAX_COUNT = 2**53
"""An upstream may report any count; an SQLite integer has 64 bits."""
_COLUMNS = (
    "at", "flow", "thread", "slug", "route", "model", "status", "ok", "terminal", "error", "ended", "attempts", "ttft",
    "seconds", "input", "cached", "cache_written", "output", "reasoning", "bytes_in", "bytes_out", "broke_at", "agent", "root",
    "parent",
)  # fmt: skip
"""Named in each statement: a column that a newer version added may have another place."""
_INSERT = f"INSERT INTO turns ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608  constants
_QUOTA = "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?, ?)"
_OLD_QUOTA = (
    "DELETE FROM quota WHERE route = ?1 AND rowid NOT IN "
    "(SELECT rowid FROM quota WHERE route = ?1 ORDER BY rowid DESC LIMIT ?2)"
)
"""A replaced row gets a new rowid: the highest ones are the newest."""
_READING = "INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)"


class NewerLedgerError(Exception):
    """A newer version of codex-shim wrote this ledger."""


class Reading(NamedTuple):
    """One rate-limit window that an upstream reported."""

    route: str
    """The name of the provider."""
    seen: float
    """Unix seconds: the time of the answer that reported it."""
    window: Window


class Entry(NamedTuple):
    """One turn, where its cached prefix broke, and the rate-limit windows that its upstreams reported, in that order."""

    record: TurnRecord
    broke_at: str
    readings: Sequence[Reading]

    @property
    def last(self) -> list[Reading]:
        """The last reading of each window."""
        return list({(one.route, one.window.name): one for one in self.readings}.values())


class Ledger:
    """The writer's connection. Every method raises sqlite3.Error, the constructor also OSError and NewerLedgerError."""

    def __init__(self, path: Path, now: float) -> None:
        make_private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        try:
            self._db = _connect(path, now)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            path.replace(path.with_name(f"{path.name}.broken-{int(now)}"))
            self._db = _connect(path, now)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write these turns in one transaction. A request for an unknown model has no route: it is no turn."""
        with self._db:
            # in one call: each one gives up the interpreter lock
            self._db.executemany(_INSERT, [_row(entry) for entry in entries if entry.record.route])
            for entry in entries:
                if last := entry.last:
                    self._db.executemany(_QUOTA, _quota_rows(entry.record, last))
                    routes = {(one.route, MAX_WINDOWS) for one in last}
                    self._db.executemany(_OLD_QUOTA, routes)
            self._db.executemany(_READING, [row for one in entries for row in _reading_rows(one)])

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def _connect(path: Path, now: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        _require_known(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        _add_columns(db)
        with db:
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("DELETE FROM turns WHERE at < ?", (now - RETENTION_SECONDS,))
            db.execute("DELETE FROM readings WHERE seen < ?", (now - RETENTION_SECONDS,))
    except (sqlite3.Error, NewerLedgerError):
        db.close()
        raise
    return db


def _add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that version 1 (`agent`) and version 2 (`root`) and version 3 (`parent`) do not have."""
    for name in ("agent", "root", "parent"):
        if not has_column(db, name):
            db.execute(f"ALTER TABLE turns ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")


def _require_known(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerLedgerError


def _row(entry: Entry) -> tuple[object, ...]:
    record = entry.record
    return (
        record.started,
        record.id,
        record.thread,
        record.slug,
        record.route,
        record.model,
        record.status,
        record.ok,
        record.terminal,
        record.error,
        record.ended,
        len(record.attempts),
        record.ttft,
        record.seconds,
        *(_NO_TOKENS if record.usage is None else _counts(record.usage)),
        record.bytes_in,
        record.bytes_out,
        entry.broke_at,
        record.agent,
        record.root,
        record.parent,
    )


def _counts(usage: Usage) -> tuple[int, ...]:
    counts = (
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_written_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )
    if min(counts) >= 0 and max(counts) <= MAX_COUNT:
        return counts
    return tuple(max(0, min(count, MAX_COUNT)) for count in counts)


def _quota_rows(record: TurnRecord, last: Sequence[Reading]) -> list[tuple[object, ...]]:
    seen = record.started + record.seconds
    return [
        (one.route, one.window.name, one.window.used_percent, one.window.minutes, one.window.resets_at, seen)
        for one in last
    ]  # fmt: skip


def _reading_rows(entry: Entry) -> list[tuple[object, ...]]:
    """Return the readings of windows with a length. The others are limits of a rate, which no turn uses up."""
    flow = entry.record.id
    return [
        (route, window.name, seen, flow, window.used_percent, window.minutes, window.resets_at)
        for route, seen, window in entry.readings[:MAX_WINDOWS]
        if window.minutes and route
    ]
