"""The free text of a custom tool out of the function arguments that wrapped it: `{"input": "..."}`, as it arrives.

Source of the escapes: RFC 8259, section 7; unescaped line breaks inside the string, which models write, are taken as
they are. Never changes the text inside. Invariant: however the JSON is split, the pieces join to what a JSON parser
finds under `input`; what is no such object is the text itself, for some models answer with the raw text.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto

import orjson

OPENING = '{"input":"'
START = re.compile(r'\s*\{\s*"input"\s*:\s*"')
LONGEST_START = 200
LONGEST_ESCAPE = 12
OBJECT = re.compile(r'\s*\{\s*("|\Z)')
PIECE = re.compile(
    r'[^"\\]+'
    r'|\\["\\/bfnrt]'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    # Half of a pair: certain only when the other half can no longer come.
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def wrap_input(text: str) -> str:
    """The arguments that a function call of an earlier turn had: the inverse of `CustomInput`."""
    return orjson.dumps({"input": text}).decode()


class _Place(Enum):
    BEFORE = auto()
    INSIDE = auto()
    AFTER = auto()


class CustomInput:
    """Reads one call's arguments. `feed` gives text that is certain; `finish` the rest, or None: the call is broken."""

    __slots__ = ("_given", "_place", "_seen", "_tail")

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._given: list[str] = []
        self._tail = ""
        self._place = _Place.BEFORE

    def feed(self, fragment: str) -> str:
        """Take more of the arguments."""
        self._seen.append(fragment)
        if self._place is _Place.BEFORE:
            fragment = self._begin()
        if self._place is not _Place.INSIDE:
            return ""
        text, self._tail = _decoded(self._tail + fragment)
        if self._tail.startswith('"') or len(self._tail) > LONGEST_ESCAPE:
            # The string is over, or no JSON: nothing more is certain.
            self._place = _Place.AFTER
        self._given.append(text)
        return text

    def finish(self) -> str | None:
        """The arguments are over."""
        whole = "".join(self._seen)
        given = "".join(self._given)
        try:
            value = json.loads(whole, strict=False)
        except (ValueError, RecursionError):
            return None if OBJECT.match(whole) else whole
        text = value.get("input") if isinstance(value, dict) else None
        text = _legal(text) if isinstance(text, str) else whole
        return text[len(given) :] if text.startswith(given) else None

    def _begin(self) -> str:
        seen = "".join(self._seen)
        if start := START.match(seen):
            self._place = _Place.INSIDE
            return seen[start.end() :]
        bare = "".join(seen.split())
        if len(seen) > LONGEST_START or not OPENING.startswith(bare):
            # Another key first, or no object at all: the whole is needed.
            self._place = _Place.AFTER
        return ""


def _decoded(text: str) -> tuple[str, str]:
    """Decode as much as is certain; and what is left: an escape that is not whole, or from the closing quote on."""
    pieces: list[str] = []
    place = 0
    while piece := PIECE.match(text, place):
        place = piece.end()
        found = piece[0]
        pieces.append(_legal(json.loads(f'"{found}"')) if found[0] == "\\" else found)
    return "".join(pieces), text[place:]


def _legal(text: str) -> str:
    """A lone surrogate cannot be sent to anybody."""
    return LONE_SURROGATE.sub("\ufffd", text)
