"""How the last turn of each model ended, for whoever chooses a model by it.

Never does: keep more than one line a model, or anything that was said. Invariant: what is kept is as large as the route
table at most, for a turn that no route took has no model here.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.record import TurnRecord

Outcome = Mapping[str, object]


class Outcomes:
    """One per process, from its start on."""

    def __init__(self) -> None:
        self._last: dict[str, Outcome] = {}

    def note(self, record: TurnRecord) -> None:
        """Remember this end under the slug of the route that took the turn."""
        if record.row:
            reason = "" if record.ok else record.error or record.ended or record.terminal
            self._last[record.row] = {
                "ok": record.ok,
                "ended_at": round(record.started + record.seconds, 1),
                "reason": reason or ("" if record.ok else f"status {record.status}"),
            }

    def of(self, slug: str) -> Outcome | None:
        """The last end; None before the first one."""
        return self._last.get(slug)
