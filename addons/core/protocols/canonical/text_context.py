"""What surrounds a place in a streaming text: code, a line, a sentence.

Only what was passed on counts. Never keeps the text: a bounded part of the open line, and the last two characters.
"""

from __future__ import annotations

import re

MAX_LINE_HEAD = 40
_FENCE = re.compile(r"[ \t>]*(?:```|~~~)")


class TextContext:
    """Whether the text so far ends inside code, and in the middle of a line."""

    __slots__ = ("_fenced", "_head", "_last", "_struck", "_ticks")

    def __init__(self) -> None:
        self._fenced = False
        self._last = ""
        """The last two characters."""
        self._struck = False
        """Whether HTML's tag for text that is struck through was opened."""
        self._head = ""
        """The beginning of the open line."""
        self._ticks = 0

    def add(self, text: str) -> None:
        """Add text that was passed on."""
        if not text:
            return
        seen = self._last + text
        self._struck = self._struck or "<s>" in seen
        self._last = seen[-2:]
        *lines, last = text.split("\n")
        for line in lines:
            if _FENCE.match(self._head + line[:MAX_LINE_HEAD]):
                self._fenced = not self._fenced
            self._head, self._ticks = "", 0
        if len(self._head) < MAX_LINE_HEAD:
            self._head += last[:MAX_LINE_HEAD]
        self._ticks += last.count("`")

    @property
    def in_code(self) -> bool:
        """Whether a code fence is open, or a backtick on the open line."""
        return self._fenced or self._ticks % 2 == 1

    @property
    def in_line(self) -> bool:
        """Whether the open line has any text."""
        return bool(self._head.strip())

    def speaks_of(self, ending: str) -> bool:
        """Return whether an end token that comes next belongs to the text: to a sentence, or to a tag of HTML."""
        behind_word = self._last[:1].isalnum() and self._last[1:] in {" ", "\t"}
        return behind_word or (ending == "</s>" and self._struck)
