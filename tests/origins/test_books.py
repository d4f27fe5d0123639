"""What turns came to, on disk: access log, ledger, quotas; with disks that fail and processes that are killed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.core.quota import MOST_WINDOWS
from addons.core.record import AttemptRecord, TurnRecord
from addons.core.usage import Usage
from addons.origins.access_log import AccessLog
from addons.origins.books import Books
from addons.origins.price_table import shipped_prices
from addons.origins.usage_report import By, read_breaks, read_quotas, read_totals, sum_of
from tests.origins.records import turn


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    yield made
    made.close()


def written(books: Books, *records: TurnRecord) -> None:
    for record in records:
        books.note(record)
    books.close()


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [
        orjson.loads(line) for line in (folder / "state" / "access.jsonl").read_bytes().splitlines()
    ]


def ledger_of(folder: Path) -> Path:
    return folder / "state" / "usage.sqlite"


def test_a_turn_is_one_line_of_figures_and_names(books: Books, tmp_path: Path) -> None:
    written(books, turn(dropped=["hosted tool web_search"], rate_limits=None))
    (line,) = lines_of(tmp_path)
    assert line == {
        "time": "2027-01-15T08:00:00.000+00:00",
        "id": "f1",
        "thread": "t1",
        "slug": "row",
        "route": "openai",
        "model": "gpt-5",
        "attempts": [
            {"url": "http://127.0.0.1:1/v1", "reason": "", "outcome": "200", "seconds": 0.0}
        ],
        "status": 200,
        "terminal": "response.completed",
        "error": "",
        "ended": "",
        "ttft": 0.5,
        "seconds": 2.0,
        "usage": {
            "input": 1000,
            "cached": 900,
            "cache_written": 20,
            "output": 50,
            "reasoning": 10,
        },
        "bytes_in": 0,
        "bytes_out": 0,
        "dropped": ["hosted tool web_search"],
        "replay": False,
    }
    for name in ("access.jsonl", "usage.sqlite"):
        assert stat.S_IMODE((tmp_path / "state" / name).stat().st_mode) == 0o600


def test_the_log_is_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "a.jsonl", rotate_bytes=100, kept=2)
    for number in range(12):
        log.write([{"number": number, "filler": "x" * 30}])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 100 for name in names)
    numbers = [
        orjson.loads(line)["number"]
        for name in reversed(names)
        for line in (tmp_path / name).read_bytes().splitlines()
    ]
    assert numbers == list(range(12 - len(numbers), 12))


def test_totals_by_every_key(books: Books, tmp_path: Path) -> None:
    written(
        books,
        turn(),
        turn(slug="free", route="chatgpt", thread="t2", usage=Usage(10, 0, 5, 0, 15)),
        turn(
            slug="odd", model="nobody-knows", usage=Usage(7, 0, 3, 0, 10), started=1_800_090_000.0
        ),
        turn(usage=None, status=502, terminal="", error="x"),
    )
    prices = shipped_prices()

    def keys(by: By) -> dict[str, int]:
        return {one.key: one.turns for one in read_totals(ledger_of(tmp_path), 0, by, prices)}

    assert keys("model") == {"row": 2, "free": 1, "odd": 1}
    assert keys("route") == {"openai": 3, "chatgpt": 1}
    assert keys("thread") == {"t1": 3, "t2": 1}
    assert sorted(keys("day").values()) == [1, 3]
    totals = {one.key: one for one in read_totals(ledger_of(tmp_path), 0, "model", prices)}
    row = totals["row"]
    assert (row.input, row.cached, row.cache_written, row.output) == (1000, 900, 20, 50)
    assert (row.failed, row.uncounted, row.unpriced) == (1, 1, 1)
    assert row.cost == pytest.approx((80 * 1.25 + 900 * 0.125 + 20 * 1.25 + 50 * 10) / 1e6)
    assert row.cached_share == 0.9
    assert (totals["free"].on_plan, totals["free"].cost) == (1, 0)
    assert (totals["odd"].unpriced, totals["odd"].cost) == (1, 0)
    assert sum_of(totals.values()).input == 1017
    assert read_totals(ledger_of(tmp_path), 1_800_090_000.0, "model", prices)[0].key == "odd"


def test_quotas_are_the_last_that_was_told(books: Books, tmp_path: Path) -> None:
    def attempt(used: bytes) -> AttemptRecord:
        head = ((b"x-codex-primary-used-percent", used),)
        return AttemptRecord("u", "", "POST", 0.0, answer_headers=head)

    event = {"rate_limits": {"secondary": {"used_percent": 9}}}
    written(
        books,
        turn(route="chatgpt", attempts=[attempt(b"1")]),
        turn(route="chatgpt", attempts=[attempt(b"2")], rate_limits=event),
    )
    expected = {"primary": 2.0, "secondary": 9.0}
    assert {n: w.used_percent for n, w in books.quotas["chatgpt"].items()} == expected
    (windows,) = read_quotas(ledger_of(tmp_path)).values()
    assert {one.name: one.used_percent for one in windows} == expected


def test_an_upstream_that_makes_up_windows_fills_nothing(books: Books, tmp_path: Path) -> None:
    def told(number: int) -> TurnRecord:
        head = tuple(
            (b"x-codex-made-%d-%d-primary-used-percent" % (number, n), b"1") for n in range(20)
        )
        return turn(
            route="chatgpt", attempts=[AttemptRecord("u", "", "POST", 0.0, answer_headers=head)]
        )

    last = ((b"x-codex-primary-used-percent", b"42"),)
    written(
        books,
        *(told(number) for number in range(20)),
        turn(route="chatgpt", attempts=[AttemptRecord("u", "", "POST", 0.0, answer_headers=last)]),
    )
    assert len(books.quotas["chatgpt"]) == MOST_WINDOWS
    assert books.quotas["chatgpt"]["primary"].used_percent == 42
    (windows,) = read_quotas(ledger_of(tmp_path)).values()
    assert len(windows) == MOST_WINDOWS
    assert "primary" in {one.name for one in windows}


def test_a_prompt_that_breaks_with_its_thread_is_told_with_the_place(
    books: Books, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (
        orjson.dumps({"input": ["a", other], "tools": []}) for other in ("secret-b", "secret-c")
    )
    usage = Usage(1000, 10, 5, 0, 1005)
    written(books, turn(wire_body=first), turn(wire_body=second, usage=usage))
    assert [line.get("prefix_broke_at") for line in lines_of(tmp_path)] == [None, "input[1]"]
    (found,) = read_breaks(ledger_of(tmp_path), 0)
    assert (found.thread, found.where) == ("t1", "input[1]")
    assert "its prompt changed at input[1]" in caplog.text
    assert "secret-" not in caplog.text + (tmp_path / "state" / "access.jsonl").read_text()


def test_a_folder_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    books = Books(tmp_path / "state" / "access.jsonl", tmp_path / "state" / "usage.sqlite")
    written(books, *(turn() for _ in range(5)))
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("Turns go on without it" in one.getMessage() for one in warnings)


def test_a_broken_ledger_is_moved_aside_and_a_newer_one_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    ledger_of(tmp_path).write_bytes(b"this is no database" * 100)
    written(Books(state / "a", ledger_of(tmp_path)), turn())
    assert read_totals(ledger_of(tmp_path), 0, "model", shipped_prices())[0].turns == 1
    assert len(list(state.glob("usage.sqlite.broken-*"))) == 1
    with sqlite3.connect(ledger_of(tmp_path)) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    written(Books(state / "a", ledger_of(tmp_path)), turn())
    assert read_totals(ledger_of(tmp_path), 0, "model", shipped_prices())[0].turns == 1
    assert "a newer codex-shim wrote it" in caplog.text


def test_a_writer_that_falls_behind_drops_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.origins.books.MOST_WAITING", 3)
    books = Books(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr("addons.origins.books.threading.Thread.start", lambda _: None)
    for _ in range(5):
        books.note(turn())
    assert books.dropped == 2


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "codex-shim books"]


def test_a_turn_that_ends_after_the_close_is_dropped_and_opens_nothing(tmp_path: Path) -> None:
    before = writers()
    books = Books(tmp_path / "access.jsonl", tmp_path / "usage.sqlite")
    written(books, turn())
    books.note(turn(id="late"))
    assert books.dropped == 1
    assert writers() == before, "nobody would end it, nor close its ledger"
    assert read_totals(tmp_path / "usage.sqlite", 0, "model", shipped_prices())[0].turns == 1


WRITER = """
import sys, time
from pathlib import Path
from addons.origins.books import Books
from tests.origins.records import turn
folder = Path(sys.argv[1])
books = Books(folder / "state" / "access.jsonl", folder / "state" / "usage.sqlite")
number = 0
while True:
    number += 1
    books.note(turn(id=str(number)))
    while books._waiting.qsize() > 1000:
        time.sleep(0.001)
"""


def wait_for_more_than(turns: int, ledger: Path) -> None:
    """Look until another process has committed more turns than these."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error):
            totals = read_totals(ledger, 0, "model", shipped_prices())
            if sum_of(totals).turns > turns + 100:
                return
        time.sleep(0.01)
    msg = "nothing was written"
    raise TimeoutError(msg)


def test_a_ledger_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    """Killed in the middle of writing, five times: whole entries in order, none twice, and the next one goes on."""
    root = Path(__file__).parents[2]
    before = 0
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        try:
            wait_for_more_than(before, ledger_of(tmp_path))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        with sqlite3.connect(ledger_of(tmp_path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            ids = [int(one) for (one,) in db.execute("SELECT flow FROM turns ORDER BY id")]
            (tokens,) = db.execute("SELECT sum(input) FROM turns").fetchone()
        db.close()
        assert tokens == 1000 * len(ids)
        run = ids[before:]
        assert run == list(range(1, len(run) + 1))
        before = len(ids)
    assert before > 0
    lines = (tmp_path / "state" / "access.jsonl").read_bytes().splitlines()
    torn = [line for line in lines if not is_whole(line)]
    assert len(torn) <= 5, "each kill tears one line at the most"
    assert len(lines) - len(torn) > 0


def is_whole(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def test_a_torn_line_spoils_no_other_one(tmp_path: Path) -> None:
    log = tmp_path / "state" / "access.jsonl"
    writer = AccessLog(log)
    writer.write([{"turn": 1}])
    log.write_bytes(log.read_bytes() + b'{"turn": 2, "us')
    writer.write([{"turn": 3}])
    writer.write([{"turn": 4}])
    assert log.read_bytes().splitlines() == [
        b'{"turn":1}', b'{"turn": 2, "us', b'{"turn":3}', b'{"turn":4}',
    ]  # fmt: skip


def test_bodies_that_wait_to_be_compared_are_bounded(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.origins.books.MOST_WAITING_BYTES", 100)
    monkeypatch.setattr("addons.origins.books.threading.Thread.start", lambda _: None)
    waiting = [turn(wire_body=b'{"input":["%s"]}' % (b"a" * 40)) for _ in range(4)]
    for record in waiting:
        books.note(record)
    assert [bool(record.wire_body) for record in waiting] == [True, False, False, False]
    books._write(waiting)
    later = turn(wire_body=b'{"input":[]}')
    books.note(later)
    assert later.wire_body
    books._thread = None
    assert books._ledger
    books._ledger.close()
    assert len(lines_of(tmp_path)) == 4


def test_a_body_too_large_to_be_looked_at_is_not_held(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.origins.books.LARGEST_BODY", 10)
    record = turn(wire_body=b"x" * 11)
    written(books, record)
    assert record.wire_body == b""


def test_a_turn_that_cannot_be_written_does_not_end_the_books(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: TurnRecord) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(books, "_entry", fail)
        books.note(turn())
        deadline = time.monotonic() + 20
        while "could not be written down: RuntimeError" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    written(books, turn(slug="later"))
    assert [line["slug"] for line in lines_of(tmp_path)] == ["later"]
