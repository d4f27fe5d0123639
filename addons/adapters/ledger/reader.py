"""Open the ledger for reading: its tables, the connection, what versions lack, the columns by which turns are grouped.

Never does: write, import what writes. Invariant: a ledger of any earlier version can be read, and one whose tables are
not created yet has no turns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal

BUSY_SECONDS = 5.0
CACHE_KIB = 256
"""How many pages a connection keeps, and what it sorts before it uses a file: 2 MiB by default, which a process keeps."""
SCHEMA = """
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
By = Literal["model", "day", "hour", "thread", "route", "agent", "turn"]
KEY_COLUMNS: Mapping[By, str] = {
    "model": "slug",
    "day": "date(at, 'unixepoch', 'localtime')",
    "hour": "strftime('%Y-%m-%d %H:00', at, 'unixepoch', 'localtime')",
    "thread": "thread",
    "route": "route",
    "agent": "agent",
    "turn": "flow",
}
IN_ORDER = frozenset({"day", "hour"})
"""Groups that are listed by time."""
IS_TURN = "route != ''"
"""Earlier versions recorded requests for unknown models, too."""
_NO_AGENT = "''"
"""The key column of a ledger that does not record who made each call."""


def open_reader(path: Path) -> closing[sqlite3.Connection]:
    """Open a read-only connection. Raises sqlite3.Error, also when there is no ledger."""
    db = sqlite3.connect(_read_only_uri(path), timeout=BUSY_SECONDS, uri=True)
    try:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        is_created = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        db.close()
        raise
    return closing(db if is_created else _empty(db))


def _empty(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return what a ledger has before its first turn: the writer creates the file before the tables."""
    db.close()
    empty = sqlite3.connect(":memory:")
    empty.executescript(SCHEMA)
    return empty


def _read_only_uri(path: Path) -> str:
    """Return the URI of a file as SQLite's documentation makes it. `Path.as_uri` imports urllib."""
    name = path.absolute().as_posix()
    for character in "%?#":
        name = name.replace(character, f"%{ord(character):02x}")
    return f"file:{'' if name.startswith('/') else '/'}{name}?mode=ro"


def key_column(db: sqlite3.Connection, by: By) -> str:
    """Return the SQL of the key of a group."""
    return _NO_AGENT if by == "agent" and not has_column(db, "agent") else KEY_COLUMNS[by]


def has_column(db: sqlite3.Connection, column: str) -> bool:
    """Return whether the ledger records who made each call (`agent`), or the user's thread of it (`root`)."""
    return any(name == column for _, name, *_ in db.execute("PRAGMA table_info(turns)"))


def has_readings(db: sqlite3.Connection) -> bool:
    """Return whether the ledger records the windows of each turn: versions 1 and 2 do not."""
    return bool(db.execute("PRAGMA table_info(readings)").fetchall())
