"""An event that differs from the one before it in nothing but the text that it adds: read without reading all of it.

Most of a stream is such events, and what is around their text says the same thing each time. Never does: guess. A form
is learned from an event that was read in full and tried with another text before it is used; it is used for the events
that follow directly, and forgotten at the first one of another form. Invariant: what comes out is what reading the
event in full would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import orjson

from addons.core.translate.events import Event, ReasoningDelta, TextDelta

PROBE = "\x00codex-shim\x00"
DATA = b"data:"


class KnownDelta:
    """The bytes around the text of a delta, and what kind of delta it is."""

    __slots__ = ("_after", "_before", "_kind", "_least")

    def __init__(self, before: bytes, after: bytes, kind: type[TextDelta | ReasoningDelta]) -> None:
        self._before = before
        self._after = after
        self._kind = kind
        self._least = len(before) + len(after)

    @classmethod
    def of(
        cls, block: bytes, meaning: Sequence[Event], text_in: Callable[[object], object]
    ) -> Self | None:
        """Learn from a block and what it meant; None when the next one has to be read in full.

        `text_in` finds the text in the parsed data: the place that a reader takes it from.
        """
        if len(meaning) != 1 or not isinstance(delta := meaning[0], TextDelta | ReasoningDelta):
            return None
        literal = orjson.dumps(delta.text)
        at = block.find(literal) + 1
        if not at or block.find(literal, at) >= 0:
            return None
        known = cls(block[:at], block[at + len(literal) - 2 :], type(delta))
        return known if known._means_the_same(text_in) else None

    def _means_the_same(self, text_in: Callable[[object], object]) -> bool:
        tried = self._before + orjson.dumps(PROBE)[1:-1] + self._after
        lines = [line for line in tried.split(b"\n") if line.startswith(DATA)]
        if len(lines) != 1:
            return False
        try:
            return text_in(orjson.loads(lines[0].removeprefix(DATA))) == PROBE
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            return False

    def again(self, block: bytes) -> TextDelta | ReasoningDelta | None:
        """Give what a block of this form adds; None for any other block, and for one without text."""
        if (
            len(block) <= self._least
            or not block.startswith(self._before)
            or not block.endswith(self._after)
        ):
            return None
        try:
            text = orjson.loads(b'"%b"' % block[len(self._before) : len(block) - len(self._after)])
        except orjson.JSONDecodeError:
            return None
        return self._kind(text) if isinstance(text, str) else None
