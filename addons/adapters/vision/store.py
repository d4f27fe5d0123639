"""The texts of pictures on disk, so that a restart pays for no picture again and changes no thread.

One SQLite file of the state folder, opened for each new picture: they are rare. Never does: hold a picture, its address or
a secret; fail: without the file each text lasts as long as the process. Invariant: the first text of a picture stays; the
file keeps the newest `MAX_TEXTS`; only the user can read it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path

from addons.adapters.system.files import make_private_folder
from addons.adapters.system.paths import Env, state_dir

log = logging.getLogger(__name__)

MAX_TEXTS = 5_000
BUSY_SECONDS = 5.0
RETRY_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    digest TEXT NOT NULL, thread TEXT NOT NULL, number INTEGER NOT NULL, text TEXT NOT NULL,
    UNIQUE (digest, thread, number)
);
"""
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ANY = ("", -1)
"""Thread and number of a description, which holds everywhere."""

Failure = tuple[str, str, int]
"""Digest, thread and number of a picture that was not described."""


def pictures_file(env: Env) -> Path:
    """Return the path of the file."""
    return state_dir(env) / "pictures.sqlite"


class PictureTexts:
    """The texts. Every method may be called by any thread, and waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._skipped_until = 0.0

    def descriptions(self, digests: Collection[str]) -> Mapping[str, str]:
        """Return the descriptions of these pictures, as far as there are any."""
        marks = ", ".join("?" * len(digests))
        statement = f"SELECT digest, text FROM texts WHERE thread = '' AND digest IN ({marks})"  # noqa: S608  question marks
        return self._attempt(lambda db: dict(db.execute(statement, tuple(digests)).fetchall()), {})

    def failures(self) -> Mapping[Failure, str]:
        """Return the notes that stand in place of pictures in some thread."""
        statement = "SELECT digest, thread, number, text FROM texts WHERE thread != ''"

        def read(db: sqlite3.Connection) -> Mapping[Failure, str]:
            return {(one[0], one[1], one[2]): one[3] for one in db.execute(statement)}

        return self._attempt(read, {})

    def keep(self, digest: str, text: str) -> str:
        """Keep a description. Return the first one: another process may have been faster."""

        def write(db: sqlite3.Connection) -> str:
            self._insert(db, (digest, *_ANY), text)
            first = db.execute(
                "SELECT text FROM texts WHERE digest = ? AND thread = '' AND number = -1", (digest,)
            ).fetchone()
            return str(first[0]) if first else text

        return self._attempt(write, text)

    def keep_failure(self, failure: Failure, text: str) -> None:
        """Keep the note that stands in one place of one thread."""
        self._attempt(lambda db: self._insert(db, failure, text), None)

    def _insert(self, db: sqlite3.Connection, key: Failure, text: str) -> None:
        with db:
            db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)", (*key, text))
            newest = "SELECT max(rowid) FROM texts"
            db.execute(f"DELETE FROM texts WHERE rowid <= ({newest}) - ?", (MAX_TEXTS,))  # noqa: S608  a constant

    def _attempt[T](self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Do something with the file. When that fails, log it and leave the file alone for `RETRY_SECONDS`."""
        with self._lock:
            if time.monotonic() < self._skipped_until:
                return otherwise
            try:
                return self._done(work)
            except (OSError, sqlite3.Error) as error:
                self._skipped_until = time.monotonic() + RETRY_SECONDS
                reason = getattr(error, "strerror", None) or str(error)
                log.warning(
                    "%s cannot be used: %s. Descriptions of pictures last as long as this process",
                    self._path,
                    reason,
                )
                return otherwise

    def _done[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        make_private_folder(self._path.parent)
        try:
            with closing(self._connected()) as db:
                return work(db)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
        # it is kept for whoever wants to look at it
        self._path.replace(self._path.with_name(f"{self._path.name}.broken"))
        with closing(self._connected()) as db:
            return work(db)

    def _connected(self) -> sqlite3.Connection:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        os.close(os.open(self._path, flags, 0o600))
        db = sqlite3.connect(self._path, timeout=BUSY_SECONDS)
        try:
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        self._path.chmod(0o600)
        return db
