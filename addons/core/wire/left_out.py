"""Things of one answer that nobody knows, told for the turn's record.

Never does: tell any text of the answer. Invariant: each kind is told once, and no more than `MOST_LEFT_OUT` of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.record import shown
from addons.core.translate.events import LeftOut

MOST_LEFT_OUT = 8
LONGEST_KIND = 40


class Unknown:
    """Those of one answer."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[str] = set()

    def of(self, what: str, kind: str) -> Iterator[LeftOut]:
        """Tell of one, unless it or too many were told."""
        words = f"{what} '{shown(kind[:LONGEST_KIND])}' in the answer"
        if words not in self._told and len(self._told) < MOST_LEFT_OUT:
            self._told.add(words)
            yield LeftOut(words)
