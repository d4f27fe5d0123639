"""The last turn of each model, as the ledger has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from addons.adapters.ledger.last_turns import read_last_turns
from addons.adapters.ledger.turn_log import Entry, Ledger
from addons.core.telemetry.record import TurnRecord

NOW = 1_900_000_000.0


def turn(slug: str, **fields: object) -> Entry:
    record = TurnRecord(slug=slug, route="openai", status=200, started=NOW, seconds=2.0)
    for name, value in fields.items():
        setattr(record, name, value)
    return Entry(record, "", ())


def test_newest_turn_of_each_slug_is_read(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    ledger = Ledger(path, NOW)
    ledger.write(
        [
            turn("a", status=500),
            turn("b"),
            turn("a", started=NOW + 1),
            turn("b", started=NOW + 2, error="rate_limit_exceeded", ended="cut", status=429),
            turn("c", status=503),
        ]
    )
    ledger.close()
    assert read_last_turns(path) == {
        "a": {"ok": True, "ended_at": NOW + 3, "reason": ""},
        "b": {"ok": False, "ended_at": NOW + 4, "reason": "rate_limit_exceeded"},
        "c": {"ok": False, "ended_at": NOW + 2, "reason": "status 503"},
    }


def test_request_for_an_unknown_model_is_no_turn(tmp_path: Path) -> None:
    """Earlier versions recorded it."""
    path = tmp_path / "usage.sqlite"
    ledger = Ledger(path, NOW)
    ledger.write([turn("a"), turn("mistyped")])
    ledger.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE turns SET route = '' WHERE slug = 'mistyped'")
    assert list(read_last_turns(path)) == ["a"]


def test_missing_ledger_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        read_last_turns(tmp_path / "none.sqlite")
