"""The body of GET /health.

Never does: read a file. Invariant: it is made from values in memory and holds no secret; for a client that does not show
the local token it names no path, because a path shows the user's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from addons.core.routes import RouteTable


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the process, apart from the route table."""

    version: str
    pid: int
    uptime_seconds: float
    live_turns: int
    reasons: Mapping[str, str]
    """Provider, or slug of a row → why it is not offered."""
    problems: tuple[str, ...]
    quota: Mapping[str, list[dict[str, object]]] = field(default_factory=dict)
    """Provider → its rate-limit windows as the upstream last reported them."""
    unavailable: tuple[Mapping[str, object], ...] = ()
    """Routes that a fallback answers for now, as `unavailable_routes` describes them."""
    budgets: tuple[Mapping[str, object], ...] = ()
    """The budgets with what is spent."""


_FOLDERS = re.compile(r"(?<![\w.:/\\~])(?:[A-Za-z]:)?[/\\][^\n\"'`;]*[/\\]")
"""The folders of an absolute path. Up to the last separator of the clause, because a folder's name may hold blanks."""


def without_folders(text: str) -> str:
    """Return a text in which only the last part of each absolute path is left."""
    return _FOLDERS.sub("", text)


def health_report(
    table: RouteTable, status: Status, *, shows_paths: bool = False
) -> dict[str, object]:
    """Return the body of GET /health."""
    shown = str if shows_paths else without_folders
    providers = {route.provider for route in table.live}
    return {
        "ok": True,
        "version": status.version,
        "models": len(table.live),
        "chatgpt_passthrough": "chatgpt" in providers,
        "cursor_passthrough": "cursor" in providers,
        "demo": "demo" in providers,
        "pid": status.pid,
        "uptime_seconds": round(status.uptime_seconds, 1),
        "live_turns": status.live_turns,
        "reasons": {name: shown(reason) for name, reason in status.reasons.items()},
        "problems": [shown(problem) for problem in status.problems],
        "quota": dict(status.quota),
        "unavailable": [dict(one) for one in status.unavailable],
        "budgets": [dict(one) for one in status.budgets],
    }
