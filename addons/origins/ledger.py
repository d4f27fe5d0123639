"""The usage ledger: every turn's tokens in SQLite, and the last word on every quota.

One thread writes; readers open it for themselves. In WAL mode a committed turn survives a process that is killed.
Never does: hold content or a secret, compute a cost. Invariant: the file is readable by its user alone; one that is
broken is moved aside, never deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from addons.core.quota import MOST_WINDOWS, Window
from addons.core.record import TurnRecord
from addons.origins.files import make_private

VERSION = 1
BUSY_SECONDS = 5.0
KEPT_SECONDS = 400 * 86400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, flow TEXT NOT NULL, thread TEXT NOT NULL, slug TEXT NOT NULL,
    route TEXT NOT NULL, model TEXT NOT NULL, status INTEGER NOT NULL, ok INTEGER NOT NULL, terminal TEXT NOT NULL,
    error TEXT NOT NULL, ended TEXT NOT NULL, attempts INTEGER NOT NULL, ttft REAL, seconds REAL NOT NULL,
    input INTEGER, cached INTEGER, cache_written INTEGER, output INTEGER, reasoning INTEGER,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, broke_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS turns_by_time ON turns (at);
CREATE TABLE IF NOT EXISTS quota (
    route TEXT NOT NULL, name TEXT NOT NULL, used_percent REAL NOT NULL, minutes INTEGER, resets_at REAL,
    seen REAL NOT NULL, PRIMARY KEY (route, name)
);
"""
_INSERT = f"INSERT INTO turns VALUES (NULL, {', '.join('?' * 22)})"  # noqa: S608  question marks
_QUOTA = "INSERT OR REPLACE INTO quota VALUES (?, ?, ?, ?, ?, ?)"
_OLD_QUOTA = (
    "DELETE FROM quota WHERE route = ?1 AND rowid NOT IN "
    "(SELECT rowid FROM quota WHERE route = ?1 ORDER BY rowid DESC LIMIT ?2)"
)
"""A row that is replaced gets a new id: the highest ones were told last."""


class NewerLedgerError(Exception):
    """A newer codex-shim wrote this ledger."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One turn for the ledger."""

    record: TurnRecord
    broke_at: str
    windows: Sequence[Window]


class Ledger:
    """The writer. Raises sqlite3.Error, OSError and NewerLedgerError."""

    def __init__(self, path: Path, now: float) -> None:
        make_private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
        try:
            self._db = _opened(path, now)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            path.replace(path.with_name(f"{path.name}.broken-{int(now)}"))
            self._db = _opened(path, now)

    def write(self, entries: Iterable[Entry]) -> None:
        """Enter these turns, all or none."""
        with self._db:
            for entry in entries:
                self._db.execute(_INSERT, _row(entry))
                if entry.windows:
                    self._db.executemany(_QUOTA, _quota_rows(entry))
                    self._db.execute(_OLD_QUOTA, (entry.record.route, MOST_WINDOWS))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _opened(path: Path, now: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        _require_known(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        with db:
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("DELETE FROM turns WHERE at < ?", (now - KEPT_SECONDS,))
    except (sqlite3.Error, NewerLedgerError):
        db.close()
        raise
    return db


def _require_known(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerLedgerError


def _row(entry: Entry) -> tuple[object, ...]:
    record, usage = entry.record, entry.record.usage
    tokens: tuple[int | None, ...] = (None,) * 5
    if usage:
        tokens = (
            usage.input_tokens,
            usage.cached_tokens,
            usage.cache_written_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
        )
    # SQLite's integers have 64 bits; an upstream's count may be nonsense
    tokens = tuple(None if n is None else max(0, min(n, 2**53)) for n in tokens)
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
        *tokens,
        record.bytes_in,
        record.bytes_out,
        entry.broke_at,
    )


def _quota_rows(entry: Entry) -> list[tuple[object, ...]]:
    record = entry.record
    seen = record.started + record.seconds
    return [
        (record.route, one.name, one.used_percent, one.minutes, one.resets_at, seen)
        for one in entry.windows
    ]


def open_reader(path: Path) -> closing[sqlite3.Connection]:
    """A connection that cannot write. Raises sqlite3.Error, also when there is no ledger."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return closing(sqlite3.connect(uri, timeout=BUSY_SECONDS, uri=True))
