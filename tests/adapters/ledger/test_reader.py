"""Opening the ledger for reading, and the columns by which turns are grouped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from addons.adapters.ledger import database
from addons.adapters.ledger.agent_trees import read_agent_trees
from addons.adapters.ledger.budget_keeper import read_outputs
from addons.adapters.ledger.last_turns import read_last_turns
from addons.adapters.ledger.quota_report import read_forecasts, read_windows
from addons.adapters.ledger.reader import (
    CACHE_KIB,
    IN_ORDER,
    KEY_COLUMNS,
    SCHEMA,
    By,
    has_column,
    has_readings,
    key_column,
    open_reader,
)
from addons.adapters.ledger.thread_use import read_thread_use
from addons.adapters.ledger.turn_log import Ledger
from addons.adapters.ledger.usage_report import read_breaks, read_quotas, read_recent, read_totals
from addons.core.telemetry.prices import PriceTable
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


READS: list[Callable[[Path], object]] = [
    lambda path: read_totals(path, 0.0, "model", PriceTable("")),
    lambda path: read_breaks(path, 0.0),
    read_quotas,
    lambda path: read_recent(path, 5),
    lambda path: read_windows(path, "model", None, 1.0),
    lambda path: read_forecasts(path, 1.0),
    lambda path: read_agent_trees(path, 0.0, PriceTable("")),
    read_last_turns,
    lambda path: read_outputs(path, 1.0),
    lambda path: read_thread_use(path, "t1", 1.0),
]


@pytest.mark.parametrize("read", READS)
def test_ledger_whose_tables_are_not_created_yet_has_no_turns(
    ledger: Path, read: Callable[[Path], object]
) -> None:
    """The writer creates the file first. A command that came then said that there is no table."""
    ledger.parent.mkdir(exist_ok=True)
    ledger.touch()
    assert not read(ledger)


def test_reader_keeps_few_pages(write: Write, ledger: Path) -> None:
    """A start of `serve` reads the ledger, and kept 3 MiB for good where it had 16,000 turns."""
    write(turn())
    with open_reader(ledger) as db:
        assert db.execute("PRAGMA cache_size").fetchone() == (-CACHE_KIB,)


def test_reader_never_meets_a_part_of_the_tables(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SCHEMA", f"{SCHEMA} CREATE TABLE broken;")
    with pytest.raises(sqlite3.OperationalError):
        database.open_ledger(ledger, 0.0)
    with closing(sqlite3.connect(ledger)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []


@pytest.mark.parametrize("name", ["a b", "100%", "is it?", "#1", "%3f", "ü"])
def test_ledger_in_a_folder_of_any_name_is_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "usage.sqlite"
    Ledger(path, 0.0).close()
    with open_reader(path) as db:
        assert db.execute("SELECT count(*) FROM turns").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM turns")
