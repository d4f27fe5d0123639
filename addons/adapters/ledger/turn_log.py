"""The log of finished turns: access log and ledger, written by one thread next to the event loop.

The access log is one JSON line a turn in the state folder, rotated by size; `addons.core.telemetry.record` builds the
lines. Never does: block the event loop, follow a symlink, let a full or broken disk affect a turn. Invariant:
`TurnLogWriter.note` returns at once; turns are written in the order in which they ended; when the writer is too slow,
turns are dropped and counted, so memory is bounded. One call of `AccessLog.write` is one write to the file: lines of
two processes never mix, and a line that a killed process left unfinished damages no other line.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Self

import orjson

from addons.adapters.ledger.database import NewerLedgerError, open_ledger
from addons.adapters.ledger.window_readings import (
    OLD_QUOTA,
    QUOTA,
    Reading,
    newest,
    quota_rows,
    reading_rows,
    readings_of,
)
from addons.adapters.system.files import make_private_folder
from addons.core.codex.threads import PICTURE
from addons.core.limits import MIB
from addons.core.protocols.prompt_prefix import MAX_BODY_BYTES, PromptHistory, digest_prompt
from addons.core.telemetry.record import TurnRecord, access_line, summary
from addons.core.usage import MAX_WINDOWS, Usage, Window, mentions_limit

ROTATE_BYTES = 10 * MIB
ROTATED_FILES = 5
_OPEN_FLAGS = (
    os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)
MAX_WAITING = 10_000
"""Turns that wait to be written."""
MAX_WAITING_BYTES = 128 * MIB
"""Request bodies that wait for the comparison with the previous turn of their thread."""
BATCH_SECONDS = 0.1
"""Turns that end within this time are written in one transaction."""
MAX_BATCH = 500
RETRY_SECONDS = 60.0
"""How long a file is skipped after it could not be written."""

log = logging.getLogger(__name__)
access = logging.getLogger("addons.access")
turns = logging.getLogger("addons.turns")
"""At the level DEBUG it gets the lines of ended turns for the console."""


class _FileState(NamedTuple):
    """Which file it is, and its size."""

    device: int
    inode: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_dev, status.st_ino, status.st_size)


class AccessLog:
    """Appends lines to one file and rotates it. `write` raises OSError."""

    def __init__(
        self, path: Path, rotate_bytes: int = ROTATE_BYTES, rotated_files: int = ROTATED_FILES
    ) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._rotated_files = rotated_files
        self._left: _FileState | None = None
        """The file as the last write left it, if that wrote whole lines."""

    def write(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Append these lines."""
        data = b"".join([orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines])
        if not data:
            return
        before = self._make_room(len(data))
        # Opened for every write: another process or the user may have moved the file.
        descriptor = os.open(self._path, _OPEN_FLAGS, 0o600)
        try:
            if before is None or before != self._left:
                before = _FileState.of(os.fstat(descriptor))
                data = b"\n" + data if _ends_inside_a_line(descriptor, before.size) else data
            self._left = None
            if os.write(descriptor, data) == len(data):
                self._left = before._replace(size=before.size + len(data))
        finally:
            os.close(descriptor)

    def _make_room(self, added_bytes: int) -> _FileState | None:
        """Rotate the files if this one would grow too large; make its folder if there is no file.

        Return the file that was found, None if the next write makes a new one.
        """
        try:
            found = _FileState.of(os.stat(self._path))  # noqa: PTH116  half the time of `Path.stat`
        except (FileNotFoundError, NotADirectoryError):
            make_private_folder(self._path.parent)
            return None
        if found.size == 0 or found.size + added_bytes <= self._rotate_bytes:
            return found
        for number in range(self._rotated_files, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        return None

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


def _ends_inside_a_line(descriptor: int, size: int) -> bool:
    """Return whether a killed process or a full disk left the last line unfinished."""
    if not size:
        return False
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1) != b"\n"


# Ledger ---------------------------------------------------------------------------------------------------

Inserts = Sequence[tuple[int, str]]
"""Statements that insert so many rows each, the largest first."""


def _inserts(into: str, columns: int) -> Inserts:
    """Return statements for any number of rows. SQLite takes at most 999 values, in versions before 3.32."""
    row = f"({', '.join('?' * columns)})"
    return [(rows, f"{into} VALUES {', '.join([row] * rows)}") for rows in (32, 16, 8, 4, 2, 1)]


_NO_TOKENS = (None,) * 5
MAX_COUNT = 2**53
"""An upstream may report any count; an SQLite integer has 64 bits."""
_COLUMNS = (
    "at", "flow", "thread", "slug", "route", "model", "status", "ok", "terminal", "error", "ended", "attempts", "ttft",
    "seconds", "input", "cached", "cache_written", "output", "reasoning", "bytes_in", "bytes_out", "broke_at", "agent", "root",
    "parent",
)  # fmt: skip
"""Named in each statement: a column that a newer version added may have another place."""
_INSERT = _inserts(f"INSERT INTO turns ({', '.join(_COLUMNS)})", len(_COLUMNS))
_READINGS = _inserts("INSERT OR REPLACE INTO readings", 7)


class Entry(NamedTuple):
    """One turn, where its cached prefix broke, and the rate-limit windows that its upstreams reported, in that order."""

    record: TurnRecord
    broke_at: str
    readings: Sequence[Reading] = ()


class Ledger:
    """The writer's connection. Every method raises sqlite3.Error, the constructor also OSError and NewerLedgerError."""

    def __init__(self, path: Path, now: float) -> None:
        self._db = open_ledger(path, now)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write these turns in one transaction. A request for an unknown model has no route: it is no turn."""
        reported = [entry for entry in entries if entry.readings]
        with self._db:
            self._insert(_INSERT, [_row(entry) for entry in entries if entry.record.route])
            if reported:
                quotas = quota_rows((entry.record, entry.readings) for entry in reported)
                self._db.executemany(QUOTA, quotas)
                self._db.executemany(OLD_QUOTA, {(route, MAX_WINDOWS) for route, *_ in quotas})
                readings = (reading_rows(one.record.id, one.readings) for one in reported)
                self._insert(_READINGS, list(chain.from_iterable(readings)))

    def _insert(self, statements: Inserts, rows: Sequence[Sequence[object]]) -> None:
        """Insert many rows with a statement: each statement gives up the interpreter lock twice."""
        for count, statement in statements:
            whole = len(rows) - len(rows) % count
            values = [
                [*chain.from_iterable(rows[at : at + count])] for at in range(0, whole, count)
            ]
            if values:
                self._db.executemany(statement, values)
            rows = rows[whole:]

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


def _row(entry: Entry) -> tuple[object, ...]:
    record = entry.record
    return (
        record.started, record.id, record.thread, record.slug, record.route, record.model, record.status, record.ok,
        record.terminal, record.error, record.ended, len(record.attempts), record.ttft, record.seconds,
        *(_NO_TOKENS if record.usage is None else _counts(record.usage)),
        record.bytes_in, record.bytes_out, entry.broke_at, record.agent, record.root,
        record.parent,
    )  # fmt: skip


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


# Writer ---------------------------------------------------------------------------------------------------


class TurnLogWriter:
    """Writes finished turns. The event loop calls `note`; everything else happens in the writer's thread."""

    def __init__(
        self, access_log: Path, ledger: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._access_log = AccessLog(access_log)
        self._ledger_path = ledger
        self._clock = clock
        self._ledger: Ledger | None = None
        self._prompts = PromptHistory()
        self._waiting: SimpleQueue[TurnRecord | None] = SimpleQueue()
        # Two counters, each written by one thread only: a shared one would need a lock.
        self._bytes_noted = 0
        self._bytes_taken = 0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        """Keeps `note` from starting a thread while another thread is in `close`."""
        self._skipped_until: dict[str, float] = {}
        self.dropped = 0
        """Turns that were not written because the writer was too slow or closed."""
        self.quotas: Mapping[str, Mapping[str, Window]] = {}
        """Route → name → the last known window. Replaced as a whole, so that any thread may read it."""

    def note(self, record: TurnRecord) -> None:
        """Queue a turn for writing. After `close` it is dropped."""
        with self._lock:
            size = len(record.upstream_body)
            waiting = self._bytes_noted - self._bytes_taken
            if size > MAX_BODY_BYTES or size + waiting > MAX_WAITING_BYTES:
                record.upstream_body, size = b"", 0
            if self._closing.is_set() or self._waiting.qsize() >= MAX_WAITING:
                self.dropped += 1
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="codex-shim turn log", daemon=True
                )
                self._thread.start()
            self._bytes_noted += size
            self._waiting.put(record)

    def close(self, seconds: float = 2.0) -> None:
        """Write what is queued and end the thread. Wait for it no longer than this."""
        with self._lock:
            self._closing.set()
            thread, self._thread = self._thread, None
        if thread:
            self._waiting.put(None)
            thread.join(seconds)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = self._batch()
            ended = batch[-1] is None
            try:
                self._write([record for record in batch if record])
            except Exception as error:  # noqa: BLE001  error boundary: a record that cannot be written must not end the thread
                log.warning("Turns could not be logged: %s", type(error).__name__)
        if self._ledger:
            self._ledger.close()
            self._ledger = None

    def _batch(self) -> list[TurnRecord | None]:
        # Sleep instead of waiting on the queue: waking for a turn would take the GIL from the event loop.
        self._closing.wait(BATCH_SECONDS)
        is_idle = self._waiting.empty()
        batch = [self._waiting.get()]
        if is_idle:
            self._closing.wait(BATCH_SECONDS)
        while batch[-1] is not None and len(batch) < MAX_BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch

    def _write(self, records: list[TurnRecord]) -> None:
        entries = [self._entry(record) for record in records]
        if turns.isEnabledFor(logging.DEBUG):
            # one message for the batch: a message costs four times as much as a line
            turns.debug("%s", "\n".join(map(_console_line, records)))
        # one line after the other: hundreds at once would begin collections
        lines = (access_line(entry.record, entry.broke_at) for entry in entries)
        self._attempt("access log", self._access_log.write, lines)
        self._attempt("ledger", self._write_ledger, entries)

    def _entry(self, record: TurnRecord) -> Entry:
        body, record.upstream_body = record.upstream_body, b""
        self._bytes_taken += len(body)
        broke_at = ""
        # a record without a route is no turn: its body may hold the thread's input, but no prompt
        if (
            record.row
            and record.thread
            and record.agent != PICTURE
            and body
            and (digest := digest_prompt(body, record.upstream_encoding))
        ):
            broke_at = self._prompts.difference(record.thread, record.model, digest)
            if broke_at:
                _warn_about_cache(record, broke_at)
        if not record.rate_limits and not any(
            mentions_limit(attempt.answer_headers) for attempt in record.attempts
        ):
            return Entry(record, broke_at)
        readings = readings_of(record)
        last = newest(readings)
        for route in {one.route for one in last}:
            self._remember(route, [one.window for one in last if one.route == route])
        return Entry(record, broke_at, readings)

    def _remember(self, route: str, windows: Iterable[Window]) -> None:
        """Put these windows into `quotas`. The oldest ones go when a route has too many."""
        newest = {window.name: window for window in windows}
        known = self.quotas.get(route, {})
        older = [window for window in known.values() if window.name not in newest]
        kept = older[max(0, len(older) + len(newest) - MAX_WINDOWS) :]
        self.quotas = {**self.quotas, route: {window.name: window for window in kept} | newest}

    def _write_ledger(self, entries: list[Entry]) -> None:
        if self._ledger is None:
            self._ledger = Ledger(self._ledger_path, self._clock())
        self._ledger.write(entries)

    def _attempt[T](self, name: str, write: Callable[[T], None], turns: T) -> None:
        """Write these turns. When it fails, log it once and skip this file for `RETRY_SECONDS`."""
        if time.monotonic() < self._skipped_until.get(name, 0.0):
            return
        try:
            write(turns)
        except (OSError, sqlite3.Error, NewerLedgerError) as error:
            self._skipped_until[name] = time.monotonic() + RETRY_SECONDS
            log.warning(
                "The %s cannot be written: %s. Turns continue without it; the next attempt is in %g s.",
                name,
                _reason(error),
                RETRY_SECONDS,
            )


def _warn_about_cache(record: TurnRecord, broke_at: str) -> None:
    """Log that the provider's cache does not cover most of the prompt, if that is so."""
    usage = record.usage
    if usage and usage.cached_tokens * 2 < usage.input_tokens:
        access.warning(
            "thread %s: the prompt changed at %s, so the provider's cache does not cover what follows",
            record.thread,
            broke_at,
        )


def _console_line(record: TurnRecord) -> str:
    return f"{_time_of_day(int(record.started + record.seconds))} {summary(record)}"


@lru_cache(maxsize=4)
def _time_of_day(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _reason(error: Exception) -> str:
    if isinstance(error, NewerLedgerError):
        return "a newer version of codex-shim wrote it"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
