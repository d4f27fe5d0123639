"""The free text of a custom tool, wrapped as function arguments (`{"input": "…"}`) and decoded as it streams.

Source: RFC 8259, section 7 (escapes); unescaped line breaks inside the string, which models write, are accepted. Never
changes the text. Invariant: however the JSON is split, the decoded pieces join to the string that a JSON parser finds
under `input`; arguments that are not such an object are the text itself, because some models answer with raw text.
"""

from __future__ import annotations

import json
import re
from enum import Enum, auto

import orjson

from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.argument_repair import repair_arguments

OPENING = '{"input":"'
OPENING_PATTERN = re.compile(r'\s*\{\s*"input"\s*:\s*"')
MAX_OPENING_LENGTH = 200
MAX_ESCAPE_LENGTH = 12
OBJECT_PATTERN = re.compile(r'\s*\{\s*("|\Z)')
TOKEN_PATTERN = re.compile(
    r'[^"\\]+'
    r'|\\["\\/bfnrt]'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    # A high surrogate alone: final only when its low surrogate can no longer follow.
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])"
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def wrap_input(text: str) -> str:
    """Return the arguments of a function call that carries `text`: the inverse of `CustomInputDecoder`."""
    return orjson.dumps({"input": text}).decode()


class _State(Enum):
    BEFORE_STRING = auto()
    IN_STRING = auto()
    AFTER_STRING = auto()


class CustomInputDecoder:
    """Decodes the arguments of one call. `feed` returns text that is final, `finish` the remaining text."""

    __slots__ = ("_decoded", "_fragments", "_state", "_undecoded")

    def __init__(self) -> None:
        self._fragments: list[str] = []
        self._decoded: list[str] = []
        self._undecoded = ""
        self._state = _State.BEFORE_STRING

    def feed(self, fragment: str) -> str:
        """Add a fragment of the arguments; return the text that it makes final."""
        self._fragments.append(fragment)
        if self._state is _State.BEFORE_STRING:
            fragment = self._find_string()
        if self._state is not _State.IN_STRING:
            return ""
        text, self._undecoded = _decode(self._undecoded + fragment)
        if self._undecoded.startswith('"') or len(self._undecoded) > MAX_ESCAPE_LENGTH:
            # The string has ended, or this is not JSON: nothing more is final before `finish`.
            self._state = _State.AFTER_STRING
        self._decoded.append(text)
        return text

    def finish(self, schema: JsonObject | None = None) -> str | None:
        """Return the text that `feed` did not return; None if the arguments are truncated or contradict it."""
        arguments = "".join(self._fragments)
        returned = "".join(self._decoded)
        try:
            value = json.loads(arguments, strict=False)
        except (ValueError, RecursionError):
            if not OBJECT_PATTERN.match(arguments):
                return arguments
            repaired = repair_arguments(arguments, schema)
            if repaired is None:
                return None
            value = json.loads(repaired)
        if isinstance(value, str) and OBJECT_PATTERN.match(value):
            # The object is encoded twice.
            value = json.loads(repair_arguments(value) or "null")
        text = value.get("input") if isinstance(value, dict) else None
        text = _replace_surrogates(text) if isinstance(text, str) else arguments
        return text[len(returned) :] if text.startswith(returned) else None

    def _find_string(self) -> str:
        """Return what follows the opening quote of the string, once it has arrived."""
        arguments = "".join(self._fragments)
        if opening := OPENING_PATTERN.match(arguments):
            self._state = _State.IN_STRING
            return arguments[opening.end() :]
        compact = "".join(arguments.split())
        if len(arguments) > MAX_OPENING_LENGTH or not OPENING.startswith(compact):
            # Another key comes first, or this is not an object: only `finish` can decide.
            self._state = _State.AFTER_STRING
        return ""


def _decode(text: str) -> tuple[str, str]:
    """Return the decoded text and the rest: an incomplete escape, or everything from the closing quote on."""
    pieces: list[str] = []
    position = 0
    while match := TOKEN_PATTERN.match(text, position):
        position = match.end()
        token = match[0]
        pieces.append(_replace_surrogates(json.loads(f'"{token}"')) if token[0] == "\\" else token)
    return "".join(pieces), text[position:]


def _replace_surrogates(text: str) -> str:
    """Return the text with U+FFFD for lone surrogates, which no protocol can carry."""
    return LONE_SURROGATE.sub("\ufffd", text)
