"""Opening the ledger for reading, and the columns by which turns are grouped."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import get_args

import pytest

from addons.adapters.ledger.reader import (
    IN_ORDER,
    KEY_COLUMNS,
    By,
    has_column,
    has_readings,
    key_column,
    open_reader,
)
from addons.adapters.ledger.turn_log import Ledger
from tests.adapters.ledger.conftest import Write
from tests.adapters.records import turn


def first(db: sqlite3.Connection, column: str) -> object:
    return db.execute(f"SELECT {column} FROM turns").fetchone()[0]  # noqa: S608  constants of the module


def test_every_group_has_a_column(write: Write, ledger: Path) -> None:
    write(turn())
    assert set(get_args(By)) == KEY_COLUMNS.keys() >= IN_ORDER
    with open_reader(ledger) as db:
        keys = {by: first(db, key_column(db, by)) for by in KEY_COLUMNS}
    assert all(keys.values())
    assert (keys["thread"], keys["turn"]) == ("t1", "f1")


def test_earlier_version_lacks_agents_and_readings(write: Write, ledger: Path) -> None:
    write(turn())
    with open_reader(ledger) as db:
        assert (has_column(db, "agent"), has_readings(db)) == (True, True)
    with sqlite3.connect(ledger) as db:
        db.execute("ALTER TABLE turns DROP COLUMN agent")
        db.execute("DROP TABLE readings")
        assert (has_column(db, "agent"), has_readings(db)) == (False, False)
        assert first(db, key_column(db, "agent")) == ""
    db.close()


def test_missing_ledger_is_an_error_and_is_not_created(ledger: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_reader(ledger)
    assert not ledger.exists()


@pytest.mark.parametrize("name", ["a b", "100%", "is it?", "#1", "%3f", "ü"])
def test_ledger_in_a_folder_of_any_name_is_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "usage.sqlite"
    Ledger(path, 0.0).close()
    with open_reader(path) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM turns")
