"""JSON whose strings hold half a character: servers that count in UTF-16 may cut one in two, between two events.

Source: RFC 8259, section 8.2 (unpaired surrogates); ECMAScript writes each half as an escape of its own, which strict
parsers refuse. Never raises. Invariant: two halves that follow each other in the same place of two events become the
character; a half that stays alone is left out or becomes U+FFFD, since nobody can be sent it.
"""

from __future__ import annotations

import json
import re

ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
LONE = re.compile("[\ud800-\udfff]")

Place = tuple[object, ...]


class Halves:
    """Reads events of one stream that a strict parser refuses for their halves."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[Place, str] = {}
        """Where a text ended in the first half of a character → that half."""

    def loads(self, data: bytes) -> object:
        """The value; None when it is no JSON for other reasons as well."""
        if not ESCAPED_HALF.search(data):
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return self._whole(value, ())

    def _whole(self, value: object, place: Place) -> object:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, dict):
            return {
                LONE.sub("\ufffd", key): self._whole(inside, (*place, key))
                for key, inside in value.items()
            }
        if isinstance(value, list):
            return [
                self._whole(inside, (*place, _number(inside, at)))
                for at, inside in enumerate(value)
            ]
        return value

    def _text(self, text: str, place: Place) -> str:
        text = self._held.pop(place, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[place] = text[-1]
            text = text[:-1]
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return LONE.sub("\ufffd", joined)


def _number(value: object, at: int) -> object:
    """What tells a member of a list in one event from another in the next."""
    return value.get("index", at) if isinstance(value, dict) else at
