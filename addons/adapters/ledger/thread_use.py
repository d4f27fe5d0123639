"""Read one thread from the ledger: its last turn, its tokens, and its share of the shortest window of its upstream.

`codex-shim statusline` reads it before every prompt. Never does: write, import what takes long. Invariant: without a
thread it is about the thread of the last turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from addons.adapters.ledger.quota_report import WindowUse, known_windows, window_use
from addons.adapters.ledger.reader import IS_TURN, has_column, open_reader
from addons.core.telemetry.quota_shares import Share

_LAST = (
    f"SELECT thread, slug, route FROM turns WHERE {IS_TURN} AND (?1 = '' OR thread = ?1){{more}} "  # noqa: S608  constants of this module
    "ORDER BY id DESC LIMIT 1"
)
_NO_COMPARISON = " AND agent != 'what-if'"
"""A turn of `codex-shim what-if` is in no thread of the user. The name is that of `addons.core.codex.threads.WHAT_IF`."""
TOKENS = ("input", "cached", "cache_written", "output")
_USED = (
    f"SELECT slug, route, model, sum(input IS NULL), {', '.join(f'ifnull(sum({n}), 0)' for n in TOKENS)} "  # noqa: S608  constants of this module
    f"FROM turns WHERE thread = ? AND {IS_TURN} GROUP BY 1, 2, 3"
)


class Used(NamedTuple):
    """The tokens of the turns with one slug, route and model."""

    slug: str
    route: str
    model: str
    uncounted: int
    """Turns whose upstream reported no usage."""
    tokens: Mapping[str, int]


class ThreadUse(NamedTuple):
    """The last turn of a thread, and what all of them used."""

    slug: str
    route: str
    used: list[Used]
    window: WindowUse | None
    share: Share | None
    """The share of the thread of this window."""


def _used(slug: str, route: str, model: str, uncounted: int, *tokens: int) -> Used:
    return Used(slug, route, model, uncounted, dict(zip(TOKENS, tokens, strict=True)))


def read_thread_use(path: Path, thread: str, now: float) -> ThreadUse | None:
    """Return what a thread used; that of the last turn if none is named. None without a turn. Raises sqlite3.Error."""
    with open_reader(path) as db:
        more = _NO_COMPARISON if not thread and has_column(db, "agent") else ""
        last = db.execute(_LAST.format(more=more), (thread,)).fetchone()
        if last is None:
            return None
        found, slug, route = last
        rows = db.execute(_USED, (found,)).fetchall() if found else []
        used = [_used(*row) for row in rows]
        shortest = next((one for one in known_windows(db) if one.route == route), None)
        window = window_use(db, shortest, "thread", None, now) if shortest else None
    share = window.shares.by_key.get(found) if window and found else None
    return ThreadUse(slug, route, used, window, share)
