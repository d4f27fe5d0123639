"""Readings of rate-limit windows, and their rows in the ledger."""

from __future__ import annotations

from addons.adapters.ledger.window_readings import (
    Reading,
    newest,
    quota_rows,
    reading_rows,
    readings_of,
)
from addons.core.telemetry.record import AttemptRecord
from addons.core.usage import MAX_WINDOWS, Window
from tests.adapters.records import turn

HEAD = (
    (b"x-codex-primary-used-percent", b"7"),
    (b"x-codex-primary-window-minutes", b"300"),
)
EVENT = {"primary": {"used_percent": 8, "window_minutes": 300}}


def reading(name: str, used: float, seen: float = 1.0) -> Reading:
    return Reading("chatgpt", seen, Window(name, used, 300))


def test_window_of_a_head_has_the_time_of_the_head_and_that_of_an_event_the_end() -> None:
    record = turn(route="chatgpt", rate_limits=EVENT)
    record.attempts = [AttemptRecord("u", "", "POST", record.started, answer_headers=HEAD)]
    record.attempts[0].first_byte = 0.5
    assert readings_of(record) == [
        Reading("chatgpt", record.started + 0.5, Window("primary", 7.0, 300)),
        Reading("chatgpt", record.started + 2.0, Window("primary", 8.0, 300)),
    ]


def test_newest_reading_of_each_window_remains() -> None:
    first, second, other = reading("a", 1.0), reading("a", 2.0), reading("b", 3.0)
    assert newest([first, other, second]) == [second, other]


def test_quota_of_a_window_is_that_of_the_last_turn_and_in_its_place() -> None:
    early, late = turn(seconds=1.0), turn(seconds=3.0)
    turns = [(early, [reading("a", 1.0), reading("b", 2.0)]), (late, [reading("a", 3.0)])]
    assert quota_rows(turns) == [
        ("chatgpt", "b", 2.0, 300, None, early.started + 1.0),
        ("chatgpt", "a", 3.0, 300, None, late.started + 3.0),
    ]


def test_rate_without_a_length_is_no_reading_and_the_number_of_readings_is_bounded() -> None:
    rate = Reading("chatgpt", 1.0, Window("requests", 5.0))
    assert reading_rows("f1", [rate, reading("a", 1.0, 2.0)]) == [
        ("chatgpt", "a", 2.0, "f1", 1.0, 300, None)
    ]
    assert len(reading_rows("f1", [reading(str(n), 1.0) for n in range(40)])) == MAX_WINDOWS
