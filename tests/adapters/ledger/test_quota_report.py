"""Windows in the ledger: the readings of each turn, shares by key, earlier versions."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from addons.adapters.ledger.quota_report import WindowUse, read_windows
from addons.adapters.ledger.reader import By
from addons.adapters.ledger.turn_log import Ledger
from addons.core.headers import Headers
from addons.core.telemetry.quota_shares import Forecast, Share
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn

NOON = 1_800_014_400.0
HOUR = 3600.0


def head(used: float, resets_at: float, name: str = "primary", minutes: int = 300) -> Headers:
    prefix = f"x-codex-{name}-"
    fields = {"used-percent": used, "window-minutes": minutes, "reset-at": int(resets_at)}
    return tuple((f"{prefix}{key}".encode(), str(value).encode()) for key, value in fields.items())


def used(at: float, *windows: Headers, seconds: float = 60.0, **fields: object) -> TurnRecord:
    """A turn of ChatGPT whose head, half a second after its begin, reports these windows."""
    headers = tuple(header for window in windows for header in window)
    attempt = AttemptRecord("u", "", "POST", at, answer_headers=headers, first_byte=0.5)
    return turn(route="chatgpt", id=f"f{at}", started=at, seconds=seconds, attempts=[attempt], **fields)  # fmt: skip


def history() -> list[TurnRecord]:
    """Three turns of two threads, one hour apart, in one window of five hours."""
    reset = NOON + 4 * HOUR
    return [
        used(NOON, head(10.5, reset), thread="t1", agent="user"),
        used(NOON + HOUR, head(20.5, reset), thread="t2", slug="other", agent="review"),
        used(NOON + 2 * HOUR, head(25.5, reset), thread="t1"),
    ]


def only(found: list[WindowUse]) -> WindowUse:
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("by", "shares"),
    [
        ("thread", {"t1": 10.0, "t2": 5.0}),
        ("agent", {"user": 10.0, "review": 5.0}),
        ("model", {"row": 10.0, "other": 5.0}),
        ("route", {"chatgpt": 15.0}),
        ("turn", {f"f{NOON}": 10.0, f"f{NOON + HOUR}": 5.0}),
    ],
)
def test_shares_are_summed_by_key(
    write: Write, ledger: Path, by: By, shares: dict[str, float]
) -> None:
    unsent = turn(
        id="f", route="chatgpt", thread="x", agent="x", slug="x", started=NOON, attempts=[]
    )
    write(*history(), turn(thread="of another route", started=NOON), unsent)
    found = only(read_windows(ledger, by, None, NOON + 2 * HOUR + 0.5))
    assert found.shares.by_key == {key: Share(one, one) for key, one in shares.items()}
    assert (found.shares.before, found.shares.total, found.used) == (10.5, 15.0, 25.5)
    assert found.forecast == Forecast(5.0, None)


def test_hours_are_local(write: Write, ledger: Path) -> None:
    write(*history())
    keys = only(read_windows(ledger, "hour", None, NOON)).shares.by_key
    assert len(keys) == 2
    assert all(key.startswith("2027-01-15 ") and key.endswith(":00") for key in keys)


def test_turn_counts_from_its_own_reading(write: Write, ledger: Path) -> None:
    """A turn that has begun, but not answered, when the next reading comes has no part in what was used before."""
    reset = NOON + 4 * HOUR
    slow = used(NOON + 1, head(15.5, reset), thread="t2")
    slow.attempts[0].first_byte = 40.0
    write(used(NOON, head(10.5, reset), seconds=30.0), slow, used(NOON + 90, head(16.0, reset)))
    shares = only(read_windows(ledger, "thread", None, NOON)).shares
    assert shares.by_key == {"t1": Share(5.0, 5.0), "t2": Share(0.5, 0.5)}


def test_period_is_the_current_one_unless_a_time_is_given(write: Write, ledger: Path) -> None:
    later = [
        used(NOON + 5 * HOUR, head(1.5, NOON + 10 * HOUR), thread="t3"),
        used(NOON + 5.5 * HOUR, head(3.0, NOON + 10 * HOUR), thread="t3"),
    ]
    write(*history(), *later)
    current = only(read_windows(ledger, "thread", None, NOON + 6 * HOUR)).shares
    assert (current.before, current.by_key) == (1.5, {"t3": Share(1.5, 1.5)})
    both = only(read_windows(ledger, "thread", NOON - 1, NOON + 6 * HOUR)).shares
    assert both.total == 16.5
    assert both.by_key.keys() == {"t1", "t2", "t3"}


def test_windows_of_a_route_are_apart_and_the_short_one_is_first(
    write: Write, ledger: Path
) -> None:
    def week(percent: float) -> Headers:
        return head(percent, NOON + 99 * HOUR, "secondary", 10_080)

    write(
        used(NOON, head(10.5, NOON + HOUR), week(1.5)),
        used(NOON + 99, head(12.5, NOON + HOUR), week(2.0)),
    )
    found = read_windows(ledger, "thread", None, NOON + 99)
    assert [(one.window.name, one.shares.total) for one in found] == [
        ("primary", 2.0),
        ("secondary", 0.5),
    ]


def test_event_is_read_like_a_head_and_after_a_head_at_the_end(write: Write, ledger: Path) -> None:
    def event(percent: float) -> dict[str, object]:
        fields = {"used_percent": percent, "window_minutes": 300, "reset_at": NOON + 4 * HOUR}
        return {"type": "codex.rate_limits", "rate_limits": {"primary": fields}}

    write(
        used(NOON, rate_limits=event(10.5), seconds=10.0),
        used(NOON + 60, head(12.5, NOON + 4 * HOUR), rate_limits=event(13.0), seconds=10.0),
    )
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        rows = db.execute("SELECT seen, used_percent FROM readings ORDER BY seen").fetchall()
    assert rows == [(NOON + 0.5, 10.5), (NOON + 60.5, 12.5), (NOON + 70, 13.0)]


def test_limit_of_a_rate_is_no_window(write: Write, ledger: Path) -> None:
    limits = ((b"x-ratelimit-limit-tokens", b"100"), (b"x-ratelimit-remaining-tokens", b"50"))
    write(used(NOON, limits))
    assert read_windows(ledger, "thread", None, NOON) == []
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (1,)


def test_invented_windows_are_few(write: Write, ledger: Path) -> None:
    invented = [
        used(NOON + number, *(head(1.5, NOON, f"made-{number}-{n}-primary") for n in range(20)))
        for number in range(5)
    ]
    for one in invented:
        one.attempts[0].answer_headers = tuple(
            (name.replace(b"x-codex-made", b"x-made"), value)
            for name, value in one.attempts[0].answer_headers
        )
    write(*invented)
    assert len(read_windows(ledger, "thread", None, NOON)) == 16


@pytest.mark.parametrize("version", [1, 2])
def test_ledger_of_an_earlier_version_has_no_readings_and_gets_them(
    write: Write, ledger: Path, version: int
) -> None:
    write(*history())
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("DROP TABLE readings")
        db.execute(f"PRAGMA user_version = {version}")
    assert read_windows(ledger, "thread", None, NOON) == []
    Ledger(ledger, NOON).close()
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (4,)
        assert db.execute("SELECT count(*) FROM readings").fetchone() == (0,)


def test_old_readings_are_deleted(write: Write, ledger: Path) -> None:
    write(*history())
    Ledger(ledger, NOON + 401 * 24 * HOUR).close()
    assert read_windows(ledger, "thread", None, NOON) == []
