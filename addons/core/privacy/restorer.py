"""Puts the values back in place of their placeholders, in whole texts.

Never does: guess. A placeholder without a known value stays as it is, and is counted. Invariant: text without a placeholder
is returned as the same object, and a value in the arguments of a call is escaped as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from addons.core.privacy.placeholders import PLACEHOLDER, code_of

Lookup = Callable[[str], str | None]
"""The code of a placeholder → its value."""
_MARK = re.compile("masked", re.IGNORECASE | re.ASCII)
MARK_IN_BYTES = re.compile(rb"masked", re.IGNORECASE)


class Restorer:
    """Restores the texts of one answer."""

    __slots__ = ("_lookup", "restored", "unknown")

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.restored = 0
        """How many placeholders were replaced."""
        self.unknown = 0
        """How many had no known value."""

    def text(self, text: str) -> str:
        """Return a plain text with the values."""
        return PLACEHOLDER.sub(self._plain, text) if _MARK.search(text) else text

    def json_text(self, text: str) -> str:
        """Return a JSON text with the values, in the strings of which they are escaped."""
        return PLACEHOLDER.sub(self._escaped, text) if _MARK.search(text) else text

    def _plain(self, found: re.Match[str]) -> str:
        value = self._lookup(code_of(found[0]))
        if value is None:
            self.unknown += 1
            return found[0]
        self.restored += 1
        return value

    def _escaped(self, found: re.Match[str]) -> str:
        value = self._plain(found)
        return found[0] if value == found[0] else orjson.dumps(value)[1:-1].decode()
