"""Writes a cassette: one thread next to the event loop, which masks and appends one line for each turn.

Never does: overwrite a file, follow a symlink, block the event loop, let a full disk affect a turn. Invariant: only the
user can read the file; `note` returns at once; turns that wait are bounded, and one that is dropped is counted and logged.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from queue import SimpleQueue

from addons.core.cassette.format import head_line, turn_line
from addons.core.cassette.recording import FinishedTurn, record
from addons.core.limits import MIB
from addons.core.version import VERSION

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 128 * MIB
MAX_BODY_BYTES = 64 * MIB
"""Of one request, once it is decoded."""
_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class CassetteWriter:
    """One new file. The constructor raises OSError, FileExistsError for a file that is there."""

    def __init__(self, path: Path, limit: int = MAX_WAITING_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._file = os.open(path, _FLAGS, 0o600)
        os.write(self._file, head_line(VERSION, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
        self._waiting: SimpleQueue[FinishedTurn | None] = SimpleQueue()
        self._bytes_noted = 0
        self._bytes_taken = 0
        self._slugs: set[str] = set()
        self.turns = 0
        """How many turns were written."""
        self.dropped = 0
        """How many turns are missing from the file."""
        self._thread = threading.Thread(target=self._run, name="cassette writer", daemon=True)
        self._thread.start()

    def is_new(self, slug: str) -> bool:
        """Return whether no turn of a slug was noted before. Its first turn has the catalog entry."""
        if slug in self._slugs:
            return False
        self._slugs.add(slug)
        return True

    def note(self, turn: FinishedTurn) -> None:
        """Queue a turn for writing."""
        if self._bytes_noted - self._bytes_taken + turn.size > self._limit:
            self._drop("more turns wait than fit into memory")
            return
        self._bytes_noted += turn.size
        self._waiting.put(turn)

    def close(self) -> None:
        """Write what waits, and close the file. Blocks."""
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while (turn := self._waiting.get()) is not None:
            try:
                self._write(turn_line(record(turn, MAX_BODY_BYTES)))
                self.turns += 1
            except OSError as error:
                self._drop(error.strerror or "it could not be written")
            except (ValueError, TypeError, LookupError) as error:
                # a turn of unexpected shape; the text of the exception may quote it
                self._drop(f"{type(error).__name__} while it was written")
            self._bytes_taken += turn.size

    def _write(self, line: bytes) -> None:
        size = os.fstat(self._file).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            # a part of a line would make the file unreadable
            os.ftruncate(self._file, size)
            raise

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        log.warning("a turn is missing from the cassette %s: %s", self._path, reason)
