"""Joins the surrogates of a character that is split between two events of an answer.

Source: RFC 8259, section 8.2 (unpaired surrogates). Never raises on any input. Invariant: what is returned holds no
surrogate.
"""

from __future__ import annotations

import json
import re

ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

JsonPath = tuple[object, ...]


class SurrogateJoiner:
    """Parses JSON that a strict parser refuses because a surrogate pair is split between two events.

    Servers that count in UTF-16 split a character in two; each surrogate is then escaped alone. Invariant: two
    surrogates at the same path of consecutive events become the character; any other becomes U+FFFD or is left out.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[JsonPath, str] = {}
        """Path of a text that ended in a high surrogate → that surrogate."""

    def loads(self, data: bytes) -> object:
        """Return the value; None if the data is invalid for any other reason."""
        if not ESCAPED_SURROGATE.search(data):
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return self._join(value, ())

    def _join(self, value: object, path: JsonPath) -> object:
        if isinstance(value, str):
            return self._join_text(value, path)
        if isinstance(value, dict):
            return {
                LONE_SURROGATE.sub("\ufffd", key): self._join(child, (*path, key))
                for key, child in value.items()
            }
        if isinstance(value, list):
            return [
                self._join(child, (*path, _list_key(child, index)))
                for index, child in enumerate(value)
            ]
        return value

    def _join_text(self, text: str, path: JsonPath) -> str:
        text = self._held.pop(path, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[path] = text[-1]
            text = text[:-1]
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return LONE_SURROGATE.sub("\ufffd", joined)


def _list_key(value: object, index: int) -> object:
    """Return what identifies a list element across events: its own `index` field, else its position."""
    return value.get("index", index) if isinstance(value, dict) else index
