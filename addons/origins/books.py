"""The books of a running shim: access log, ledger and quotas, written by one thread beside the event loop.

Never does: keep the loop waiting, let a full or broken disk touch a turn. Invariant: `note` returns at once; what is
noted is written within a moment, in the order in which turns ended; when the writer falls behind, notes are dropped
and counted rather than kept without bound.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

from addons.core.access import access_line
from addons.core.limits import MIB
from addons.core.prefix import LARGEST_BODY, Prefixes, prefix_of
from addons.core.quota import MOST_WINDOWS, Window, windows_of, windows_of_event
from addons.core.record import TurnRecord
from addons.core.record_line import summary
from addons.origins.access_log import AccessLog
from addons.origins.ledger import Entry, Ledger, NewerLedgerError

log = logging.getLogger(__name__)
access = logging.getLogger("addons.access")

MOST_WAITING = 10_000
MOST_WAITING_BYTES = 128 * MIB
"""Wire bodies that wait to be compared with the turn before."""
BATCH_SECONDS = 0.02
"""What comes within this is written in one transaction."""
MOST_IN_BATCH = 500
RETRY_SECONDS = 60.0
"""How long a file that could not be written is left alone."""


class Books:
    """Write what turns came to. `note` is for the event loop; everything else happens in the writer's thread."""

    def __init__(
        self, access_log: Path, ledger: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._access_log = AccessLog(access_log)
        self._ledger_path = ledger
        self._clock = clock
        self._ledger: Ledger | None = None
        self._prefixes = Prefixes()
        self._waiting: SimpleQueue[TurnRecord | None] = SimpleQueue()
        # each is written by one thread alone: what both counted in one number would drift
        self._bytes_noted = 0
        self._bytes_seen = 0
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._door = threading.Lock()
        """`close` is for another thread than `note`, which must not start a writer that nobody would end."""
        self._shut_until: dict[str, float] = {}
        self.dropped = 0
        """Turns that were not written because the writer fell behind, or had ended."""
        self.quotas: Mapping[str, Mapping[str, Window]] = {}
        """Route → name → window, as they were last told. Replaced as a whole."""

    def note(self, record: TurnRecord) -> None:
        """Write this down, soon. What comes after the end is dropped."""
        with self._door:
            waiting = self._bytes_noted - self._bytes_seen
            if len(record.wire_body) > min(LARGEST_BODY, MOST_WAITING_BYTES - waiting):
                record.wire_body = b""
            if self._closing.is_set() or self._waiting.qsize() >= MOST_WAITING:
                self.dropped += 1
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="codex-shim books", daemon=True
                )
                self._thread.start()
            self._bytes_noted += len(record.wire_body)
            self._waiting.put(record)

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, then end the thread, for good. Waits no longer than this."""
        with self._door:
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
            except Exception as error:  # noqa: BLE001  border four: what one turn holds must not end the books
                log.warning("turns could not be written down: %s", type(error).__name__)
        if self._ledger:
            self._ledger.close()
            self._ledger = None

    def _batch(self) -> list[TurnRecord | None]:
        batch = [self._waiting.get()]
        # asleep, not waiting for the next: each note would wake this thread, which takes the event loop's time
        self._closing.wait(BATCH_SECONDS)
        while batch[-1] is not None and len(batch) < MOST_IN_BATCH:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch

    def _write(self, records: list[TurnRecord]) -> None:
        entries = [self._entry(record) for record in records]
        for entry in entries:
            self._say(entry)
        lines = [access_line(entry.record, entry.broke_at) for entry in entries]
        self._attempt("access log", lambda: self._access_log.write(lines))
        self._attempt("ledger", lambda: self._enter(entries))

    def _entry(self, record: TurnRecord) -> Entry:
        body, record.wire_body = record.wire_body, b""
        self._bytes_seen += len(body)
        broke_at = ""
        if record.thread and body and (prefix := prefix_of(body, record.wire_encoding)):
            broke_at = self._prefixes.broke_at(record.thread, record.model, prefix)
        windows = _windows(record, self._clock())
        if windows:
            told = {one.name: one for one in windows}
            known = self.quotas.get(record.route, {})
            older = [one for one in known.values() if one.name not in told]
            kept = older[max(0, len(older) + len(told) - MOST_WINDOWS) :]
            self.quotas = {**self.quotas, record.route: {one.name: one for one in kept} | told}
        return Entry(record, broke_at, windows)

    def _say(self, entry: Entry) -> None:
        access.debug("%s", summary(entry.record))
        usage = entry.record.usage
        if entry.broke_at and usage and usage.cached_tokens * 2 < usage.input_tokens:
            access.warning(
                "thread %s: its prompt changed at %s, so the provider's cache does not help from there on",
                entry.record.thread,
                entry.broke_at,
            )

    def _enter(self, entries: list[Entry]) -> None:
        if self._ledger is None:
            self._ledger = Ledger(self._ledger_path, self._clock())
        self._ledger.write(entries)

    def _attempt(self, name: str, write: Callable[[], None]) -> None:
        if time.monotonic() < self._shut_until.get(name, 0.0):
            return
        try:
            write()
        except (OSError, sqlite3.Error, NewerLedgerError) as error:
            self._shut_until[name] = time.monotonic() + RETRY_SECONDS
            log.warning("%s", _why_not(name, error))


def _why_not(name: str, error: Exception) -> str:
    if isinstance(error, NewerLedgerError):
        reason = "a newer codex-shim wrote it"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"the {name} cannot be written: {reason}. Turns go on without it; it is tried again in {RETRY_SECONDS:g} s"


def _windows(record: TurnRecord, now: float) -> list[Window]:
    told = [one for attempt in record.attempts for one in windows_of(attempt.answer_headers, now)]
    if record.rate_limits:
        told += windows_of_event(record.rate_limits, now)
    return list({one.name: one for one in told}.values())
