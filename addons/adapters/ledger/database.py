"""The file of the usage ledger: an SQLite database with the tokens of every turn, and what upstreams reported of windows.

One thread writes; each reader opens a connection of its own. In WAL mode a committed turn survives a killed process.
Never does: store content or a secret, compute a cost. Invariant: only the user can read the file; a damaged file is
renamed, never deleted; a ledger of an earlier version gets the columns that it lacks.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from addons.adapters.ledger.reader import BUSY_SECONDS, CACHE_KIB, SCHEMA, has_column
from addons.adapters.system.files import make_private_folder

VERSION = 4
RETENTION_SECONDS = 400 * 86400.0
PRIMARY_CODE = 0xFF
"""The part of SQLite's error code that does not say in which of several ways it happened."""


class NewerLedgerError(Exception):
    """A newer version of codex-shim wrote this ledger."""


def open_ledger(path: Path, now: float) -> sqlite3.Connection:
    """Open the ledger for its writer. Raises sqlite3.Error, OSError and NewerLedgerError."""
    make_private_folder(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    try:
        return _connect(path, now)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        path.replace(path.with_name(f"{path.name}.broken-{int(now)}"))
        return _connect(path, now)


def _connect(path: Path, now: float) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        _require_known(db)
        _use_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        # one transaction: a reader meets all tables or none, and another writer adds no column at the same time
        with db:
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA}")
            _add_columns(db)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("DELETE FROM turns WHERE at < ?", (now - RETENTION_SECONDS,))
            db.execute("DELETE FROM readings WHERE seen < ?", (now - RETENTION_SECONDS,))
    except (sqlite3.Error, NewerLedgerError):
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch the file to WAL mode. SQLite waits for no other writer that switches it at the same time."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # what does not pass, like a full disk, would only hold up the turns behind it
            if (
                error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY
                or time.monotonic() >= deadline
            ):
                raise
            time.sleep(BUSY_SECONDS / 1000)
        else:
            return


def _add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that version 1 (`agent`) and version 2 (`root`) and version 3 (`parent`) do not have."""
    for name in ("agent", "root", "parent"):
        if not has_column(db, name):
            db.execute(f"ALTER TABLE turns ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")


def _require_known(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerLedgerError
