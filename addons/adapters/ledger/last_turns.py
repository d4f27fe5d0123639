"""Read the last turn of each model from the ledger, for a process that has seen none of them.

Never does: write. Invariant: one turn for each slug that a client has asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from addons.adapters.ledger.reader import IS_TURN, open_reader
from addons.core.telemetry.record import TurnStatus, turn_status

# SQLite takes the other columns from the row that has the maximum
_NEWEST = (
    "SELECT id, slug, ok, at + seconds, error, ended, terminal, status FROM turns"  # noqa: S608  constants
    f" WHERE id IN (SELECT max(id) FROM turns WHERE {IS_TURN} GROUP BY slug)"
)


def read_last_turns(path: Path) -> Mapping[str, TurnStatus]:
    """Return slug → how its last turn ended. Raises sqlite3.Error, also when there is no ledger."""
    with open_reader(path) as db:
        rows = db.execute(_NEWEST).fetchall()
    return {
        slug: turn_status(bool(ok), ended_at, (error, ended, terminal), status)
        for _, slug, ok, ended_at, error, ended, terminal, status in rows
    }
