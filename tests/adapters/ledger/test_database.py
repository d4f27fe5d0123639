"""The ledger's file: entries, quotas, retention, damage, and processes that are killed while they write."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from addons.adapters.ledger.database import RETENTION_SECONDS, NewerLedgerError
from addons.adapters.ledger.reader import open_reader
from addons.adapters.ledger.turn_log import Entry, Ledger
from addons.adapters.ledger.usage_report import read_totals, shipped_prices, sum_totals
from addons.adapters.ledger.window_readings import Reading
from addons.core.usage import MAX_WINDOWS, Usage, Window
from tests.adapters.records import turn

NOW = 1_800_000_000.0


def write(path: Path, *entries: Entry, now: float = NOW) -> None:
    ledger = Ledger(path, now)
    try:
        ledger.write(entries)
    finally:
        ledger.close()


def read(route: str, windows: list[Window]) -> list[Reading]:
    return [Reading(route, NOW, window) for window in windows]


def select(path: Path, statement: str) -> list[tuple[object, ...]]:
    with open_reader(path) as db:
        return db.execute(statement).fetchall()


def test_entry_has_the_numbers_and_names_of_its_turn(ledger: Path) -> None:
    write(ledger, Entry(turn(), "input[1]", ()), Entry(turn(usage=None, status=502), "", ()))
    statement = "SELECT slug, model, status, ok, attempts, input, cached, cache_written, output, reasoning, broke_at FROM turns ORDER BY id"
    assert select(ledger, statement) == [
        ("row", "gpt-5", 200, 1, 1, 1000, 900, 20, 50, 10, "input[1]"),
        ("row", "gpt-5", 502, 0, 1, None, None, None, None, None, ""),
    ]
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.parent.stat().st_mode) == 0o700


def test_count_that_no_integer_column_holds_is_limited(ledger: Path) -> None:
    write(ledger, Entry(turn(usage=Usage(10**30, -5, 1, 0, 1)), "", ()))
    assert select(ledger, "SELECT input, cached FROM turns") == [(2**53, 0)]


def test_entries_of_a_failed_write_are_rolled_back(ledger: Path) -> None:
    bad = Entry(turn(slug=object()), "", ())
    with pytest.raises(sqlite3.Error):
        write(ledger, Entry(turn(), "", ()), bad)
    assert select(ledger, "SELECT count(*) FROM turns") == [(0,)]


def test_newest_windows_of_a_route_are_kept(ledger: Path) -> None:
    windows = [Window(f"w{n}", 1.0) for n in range(MAX_WINDOWS + 4)]
    write(
        ledger,
        Entry(turn(route="a"), "", read("a", windows[:MAX_WINDOWS])),
        Entry(
            turn(route="a"), "", read("a", [Window("w0", 7.0, 300, 5.0), *windows[MAX_WINDOWS:]])
        ),
        Entry(turn(route="b"), "", read("b", windows[:1])),
    )
    assert select(ledger, "SELECT count(*) FROM quota WHERE route = 'a'") == [(MAX_WINDOWS,)]
    assert select(ledger, "SELECT used_percent, minutes, resets_at, seen FROM quota WHERE route = 'a' AND name = 'w0'") == [(7.0, 300, 5.0, NOW + 2)]  # fmt: skip
    assert select(ledger, "SELECT count(*) FROM quota WHERE route = 'b'") == [(1,)]


def test_old_entries_are_deleted_when_the_ledger_opens(ledger: Path) -> None:
    old, recent = turn(started=NOW - RETENTION_SECONDS - 1, slug="old"), turn(slug="recent")
    write(ledger, Entry(old, "", ()), Entry(recent, "", ()))
    write(ledger)
    assert select(ledger, "SELECT slug FROM turns") == [("recent",)]


def test_damaged_ledger_is_renamed(ledger: Path) -> None:
    ledger.parent.mkdir()
    ledger.write_bytes(b"this is no database" * 100)
    write(ledger, Entry(turn(), "", ()))
    assert select(ledger, "SELECT count(*) FROM turns") == [(1,)]
    assert [path.name for path in ledger.parent.glob("*.broken-*")] == [
        f"usage.sqlite.broken-{int(NOW)}"
    ]


def earlier(ledger: Path) -> None:
    write(ledger)
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        for column in ("agent", "root", "parent"):
            db.execute(f"ALTER TABLE turns DROP COLUMN {column}")


@pytest.mark.parametrize("prepare", [earlier, lambda _: None], ids=["earlier", "new"])
def test_writers_that_start_together_all_write(
    tmp_path: Path, prepare: Callable[[Path], None]
) -> None:
    """The turns of one that failed to open the ledger were not recorded for half a minute."""
    problems: list[sqlite3.Error] = []
    for number in range(60):
        ledger = tmp_path / str(number) / "usage.sqlite"
        prepare(ledger)
        start = threading.Barrier(4)

        def opened(ledger: Path = ledger, start: threading.Barrier = start) -> None:
            start.wait()
            try:
                Ledger(ledger, NOW).close()
            except sqlite3.Error as error:
                problems.append(error)

        threads = [threading.Thread(target=opened) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert problems == []


def read_only(path: Path, **options: Any) -> sqlite3.Connection:
    """Connect as on a file system that nothing can be written to."""
    return sqlite3.Connection(f"{path.as_uri()}?mode=ro", uri=True, **options)


def test_only_another_writer_is_waited_for(ledger: Path) -> None:
    """What does not pass, like a full disk, held up the access log for five seconds at each attempt."""
    ledger.parent.mkdir()
    with (
        patch.object(sqlite3, "connect", read_only),
        patch.object(time, "sleep") as sleep,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        Ledger(ledger, NOW)
    sleep.assert_not_called()


def test_ledger_of_a_newer_version_is_not_opened(ledger: Path) -> None:
    write(ledger, Entry(turn(), "", ()))
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerLedgerError):
        Ledger(ledger, NOW)
    assert select(ledger, "SELECT count(*) FROM turns") == [(1,)]


def test_symlink_is_not_followed(ledger: Path, tmp_path: Path) -> None:
    ledger.parent.mkdir()
    (tmp_path / "target").touch()
    ledger.symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        Ledger(ledger, NOW)


def test_reader_cannot_write_and_does_not_create_a_ledger(ledger: Path) -> None:
    write(ledger)
    with open_reader(ledger) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM turns")
    with pytest.raises(sqlite3.OperationalError):
        open_reader(ledger.with_name("other"))
    assert not ledger.with_name("other").exists()


# A process that is killed -----------------------------------------------------------------------------------

WRITER = """
import sys, time
from collections.abc import Callable
from pathlib import Path
from addons.adapters.ledger.turn_log import TurnLogWriter
from tests.adapters.records import turn
folder = Path(sys.argv[1])
writer = TurnLogWriter(folder / "access.jsonl", folder / "usage.sqlite")
number = 0
while True:
    number += 1
    writer.note(turn(id=str(number)))
    while writer._waiting.qsize() > 1000:
        time.sleep(0.001)
"""


def wait_for_more_than(turns: int, ledger: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until another process has committed more turns than these."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        assert process.poll() is None
        with contextlib.suppress(sqlite3.Error):
            if sum_totals(read_totals(ledger, 0, "model", shipped_prices())).turns > turns + 100:
                return
        time.sleep(0.01)
    msg = "nothing was written"
    raise TimeoutError(msg)


def test_ledger_survives_a_killed_process(ledger: Path, access_log: Path) -> None:
    """Five processes are killed while they write. Entries are whole, in order and unique; the next process continues."""
    root = Path(__file__).parents[3]
    before = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(ledger.parent)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        try:
            wait_for_more_than(before, ledger, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        with contextlib.closing(sqlite3.connect(ledger)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            ids = [int(flow) for (flow,) in db.execute("SELECT flow FROM turns ORDER BY id")]
            (tokens,) = db.execute("SELECT sum(input) FROM turns").fetchone()
        assert tokens == 1000 * len(ids)
        run = ids[before:]
        assert run == list(range(1, len(run) + 1))
        before = len(ids)
    assert before > 0
    lines = access_log.read_bytes().splitlines()
    torn = [line for line in lines if not is_json_object(line)]
    assert len(torn) <= 5, "each kill leaves at most one unfinished line"
    assert len(lines) - len(torn) > 0


def is_json_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False
