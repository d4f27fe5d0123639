"""The turn log: lines of the access log, rate-limit windows, prompt breaks, full disks and a slow writer."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson
import pytest

from addons.adapters.ledger.reader import open_reader
from addons.adapters.ledger.turn_log import AccessLog, TurnLogWriter
from addons.adapters.ledger.usage_report import (
    read_breaks,
    read_quotas,
    read_totals,
    shipped_prices,
)
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.usage import MAX_WINDOWS, Usage
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn

TURN_LOG = "addons.adapters.ledger.turn_log"


def lines_of(access_log: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in access_log.read_bytes().splitlines()]


def count_of(ledger: Path) -> int:
    return sum(total.turns for total in read_totals(ledger, 0, "model", shipped_prices()))


# The access log -------------------------------------------------------------------------------------------


def test_turn_is_one_line_of_numbers_and_names(
    write: Write, access_log: Path, ledger: Path
) -> None:
    write(turn(dropped=["hosted tool web_search"], rate_limits=None))
    (line,) = lines_of(access_log)
    assert line == {
        "time": "2027-01-15T08:00:00.000+00:00",
        "id": "f1",
        "thread": "t1",
        "agent": "user",
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
    for path in (access_log, ledger):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_log_is_rotated_by_size_and_the_oldest_file_is_deleted(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "a.jsonl", rotate_bytes=100, rotated_files=2)
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


def test_unfinished_line_damages_no_other_line(access_log: Path) -> None:
    log = AccessLog(access_log)
    log.write([{"turn": 1}])
    access_log.write_bytes(access_log.read_bytes() + b'{"turn": 2, "us')
    log.write([{"turn": 3}])
    log.write([{"turn": 4}])
    assert access_log.read_bytes().splitlines() == [
        b'{"turn":1}', b'{"turn": 2, "us', b'{"turn":3}', b'{"turn":4}',
    ]  # fmt: skip


def test_line_that_was_written_in_part_damages_no_other_line(
    access_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that becomes full takes a part."""
    log, write = AccessLog(access_log), os.write
    log.write([{"turn": 1}])
    with monkeypatch.context() as full:
        full.setattr(f"{TURN_LOG}.os.write", lambda to, data: write(to, data[:5]))
        log.write([{"turn": 2}])
    log.write([{"turn": 3}])
    log.write([{"turn": 4}])
    expected = [b'{"turn":1}', b'{"tur', b'{"turn":3}', b'{"turn":4}']
    assert access_log.read_bytes().splitlines() == expected


def test_unfinished_line_of_a_file_in_place_of_the_log_damages_no_other_line(
    access_log: Path,
) -> None:
    log, other = AccessLog(access_log), access_log.with_name("other")
    log.write([{"turn": 1}])
    other.write_bytes(b"x" * access_log.stat().st_size)
    other.replace(access_log)
    log.write([{"turn": 2}])
    assert access_log.read_bytes() == b'xxxxxxxxxxx\n{"turn":2}\n'


def test_access_log_does_not_follow_a_symlink(access_log: Path, tmp_path: Path) -> None:
    access_log.parent.mkdir()
    (tmp_path / "target").touch()
    access_log.symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        AccessLog(access_log).write([{"turn": 1}])


# Rate-limit windows and prompt breaks ---------------------------------------------------------------------


def attempt(*headers: tuple[bytes, bytes]) -> AttemptRecord:
    return AttemptRecord("u", "", "POST", 0.0, answer_headers=headers)


def test_last_reported_windows_are_kept(writer: TurnLogWriter, write: Write, ledger: Path) -> None:
    event = {"rate_limits": {"secondary": {"used_percent": 9}}}
    first, second = (attempt((b"x-codex-primary-used-percent", used)) for used in (b"1", b"2"))
    write(
        turn(route="chatgpt", attempts=[first]),
        turn(route="chatgpt", attempts=[second], rate_limits=event),
    )
    expected = {"primary": 2.0, "secondary": 9.0}
    quotas = writer.quotas["chatgpt"]
    assert {name: window.used_percent for name, window in quotas.items()} == expected
    (windows,) = read_quotas(ledger).values()
    assert {window.name: window.used_percent for window in windows} == expected


def test_windows_of_an_attempt_belong_to_the_provider_that_it_asked(
    writer: TurnLogWriter, write: Write, ledger: Path
) -> None:
    """A used-up plan reports its windows with the refusal, and a fallback answers the turn."""
    refused = attempt((b"x-codex-primary-used-percent", b"100"))
    refused.route = "chatgpt"
    answered = attempt((b"x-ratelimit-limit-requests", b"10"), (b"x-ratelimit-remaining-requests", b"9"))  # fmt: skip
    write(turn(route="deepseek", attempts=[refused, answered]))
    found = {route: [one.name for one in windows] for route, windows in read_quotas(ledger).items()}
    assert found == {"chatgpt": ["primary"], "deepseek": ["requests"]}
    assert {route: list(windows) for route, windows in writer.quotas.items()} == found


def test_upstream_that_invents_windows_cannot_fill_the_memory(
    writer: TurnLogWriter, write: Write, ledger: Path
) -> None:
    def invented(number: int) -> TurnRecord:
        names = (b"x-codex-made-%d-%d-primary-used-percent" % (number, n) for n in range(20))
        return turn(route="chatgpt", attempts=[attempt(*((name, b"1") for name in names))])

    last = turn(route="chatgpt", attempts=[attempt((b"x-codex-primary-used-percent", b"42"))])
    write(*(invented(number) for number in range(20)), last)
    assert len(writer.quotas["chatgpt"]) == MAX_WINDOWS
    assert writer.quotas["chatgpt"]["primary"].used_percent == 42
    (windows,) = read_quotas(ledger).values()
    assert len(windows) == MAX_WINDOWS
    assert "primary" in {window.name for window in windows}


def test_request_without_a_route_is_no_prompt_of_its_thread(write: Write, access_log: Path) -> None:
    first, search, longer = (
        orjson.dumps({"input": items}) for items in (["a", "b"], ["x"], ["a", "b", "c"])
    )
    write(
        turn(upstream_body=first),
        turn(upstream_body=search, row=""),
        turn(upstream_body=longer),
    )
    assert [line.get("prefix_broke_at") for line in lines_of(access_log)] == [None, None, None]


def test_request_for_a_description_is_no_prompt_of_its_thread(
    write: Write, access_log: Path
) -> None:
    first, picture, longer = (
        orjson.dumps({"input": items, "tools": []})
        for items in (["a", "b"], ["a", "x"], ["a", "b", "c"])
    )
    write(
        turn(upstream_body=first),
        turn(upstream_body=picture, agent="picture"),
        turn(upstream_body=longer),
    )
    assert [line.get("prefix_broke_at") for line in lines_of(access_log)] == [None, None, None]


def test_changed_prompt_is_logged_with_its_position_and_without_its_text(
    write: Write, access_log: Path, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (
        orjson.dumps({"input": ["a", other], "tools": []}) for other in ("secret-b", "secret-c")
    )
    usage = Usage(1000, 10, 5, 0, 1005)
    write(turn(upstream_body=first), turn(upstream_body=second, usage=usage))
    assert [line.get("prefix_broke_at") for line in lines_of(access_log)] == [None, "input[1]"]
    (found,) = read_breaks(ledger, 0)
    assert (found.thread, found.where) == ("t1", "input[1]")
    assert "the prompt changed at input[1]" in caplog.text
    assert "secret-" not in caplog.text + access_log.read_text()


# Batches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 95])
def test_turns_of_a_batch_are_written_in_the_order_in_which_they_ended(
    count: int, writer: TurnLogWriter, ledger: Path, access_log: Path
) -> None:
    names = [f"f{number}" for number in range(count)]
    head = (b"x-codex-primary-used-percent", b"5"), (b"x-codex-primary-window-minutes", b"300")
    writer._write([turn(id=name, attempts=[attempt(*head)]) for name in names])
    writer.close()
    assert [line["id"] for line in lines_of(access_log)] == names
    with open_reader(ledger) as db:
        assert db.execute("SELECT flow, input, reasoning FROM turns ORDER BY id").fetchall() == [
            (name, 1000, 10) for name in names
        ]
        readings = db.execute("SELECT flow, used_percent, minutes FROM readings").fetchall()
    assert sorted(readings) == sorted((name, 5.0, 300) for name in names)
    assert writer._ledger
    writer._ledger.close()


def test_turn_that_ends_after_a_quiet_time_is_written(
    writer: TurnLogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: SimpleQueue[list[TurnRecord]] = SimpleQueue()
    monkeypatch.setattr(f"{TURN_LOG}.BATCH_SECONDS", 0.001)
    monkeypatch.setattr(writer, "_write", written.put)
    for name in ("f1", "f2", "f3"):
        writer.note(turn(id=name))
        assert [record.id for record in written.get(timeout=10)] == [name]


# Failures -------------------------------------------------------------------------------------------------


def test_state_folder_that_cannot_be_written_costs_one_warning_a_file(
    write: Write, access_log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access_log.parent.write_text("a file in place of the folder")
    write(*(turn() for _ in range(5)))
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 2
    for name, warning in zip(("access log", "ledger"), warnings, strict=True):
        assert warning.startswith(f"The {name} cannot be written: ")
        assert warning.endswith("Turns continue without it; the next attempt is in 60 s.")


def test_ledger_of_a_newer_version_is_left_unchanged(
    write: Write, ledger: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.ledger.database.VERSION", 99)
    early = TurnLogWriter(ledger.with_name("a"), ledger)
    early.note(turn())
    early.close()
    monkeypatch.undo()
    write(turn())
    assert count_of(ledger) == 1
    assert "a newer version of codex-shim wrote it" in caplog.text


def test_slow_writer_drops_turns_and_counts_them(
    writer: TurnLogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TURN_LOG}.MAX_WAITING", 3)
    with monkeypatch.context() as stopped:
        stopped.setattr(f"{TURN_LOG}.threading.Thread.start", lambda _: None)
        for _ in range(5):
            writer.note(turn())
    assert writer.dropped == 2
    writer._thread = None


def writer_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "codex-shim turn log"]


def test_turn_after_close_is_dropped_and_starts_no_thread(
    writer: TurnLogWriter, write: Write, ledger: Path
) -> None:
    before = writer_threads()
    write(turn())
    writer.note(turn(id="late"))
    assert writer.dropped == 1
    assert writer_threads() == before
    assert count_of(ledger) == 1


def test_request_bodies_that_wait_are_bounded(
    writer: TurnLogWriter, access_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TURN_LOG}.MAX_WAITING_BYTES", 100)
    monkeypatch.setattr(f"{TURN_LOG}.threading.Thread.start", lambda _: None)
    waiting = [turn(upstream_body=b'{"input":["%s"]}' % (b"a" * 40)) for _ in range(4)]
    for record in waiting:
        writer.note(record)
    assert [bool(record.upstream_body) for record in waiting] == [True, False, False, False]
    writer._write(waiting)
    later = turn(upstream_body=b'{"input":[]}')
    writer.note(later)
    assert later.upstream_body
    writer._thread = None
    assert writer._ledger
    writer._ledger.close()
    assert len(lines_of(access_log)) == 4


def test_request_body_that_is_too_large_is_not_kept(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.adapters.ledger.turn_log.MAX_BODY_BYTES", 10)
    record = turn(upstream_body=b"x" * 11)
    write(record)
    assert record.upstream_body == b""


def test_turn_that_cannot_be_written_does_not_end_the_writer(
    writer: TurnLogWriter,
    write: Write,
    access_log: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: TurnRecord) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(writer, "_entry", fail)
        writer.note(turn())
        deadline = time.monotonic() + 20
        while "Turns could not be logged: RuntimeError" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    write(turn(slug="later"))
    assert [line["slug"] for line in lines_of(access_log)] == ["later"]


# The lines for the console --------------------------------------------------------------------------------


def test_turns_that_end_together_are_one_message_for_the_console(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "addons.turns")
    write(turn(slug="first"), turn(slug="second"))
    texts = [one.getMessage() for one in caplog.records if one.name == "addons.turns"]
    assert len(texts) == 1
    first, second = texts[0].split("\n")
    clock = time.strftime("%H:%M:%S", time.localtime(1_800_000_002))
    assert first.startswith(f"{clock} first → gpt-5 · 200 · TTFT 0.5 s")
    assert second.startswith(f"{clock} second → gpt-5 · 200 · ")


def test_no_line_is_made_for_a_console_that_shows_none(
    write: Write, access_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TURN_LOG}.summary", None)
    write(turn())
    assert len(lines_of(access_log)) == 1
