"""A refusal as a value: its status, its texts and the fields that it names, whatever the shape of its body.

Never classifies or shortens for display; `error_mapping` does. Invariant: total and bounded, so that any body gives a
`Refusal`; texts that repeat the request (`input`, `body`) are left out, because they may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import orjson

MAX_DEPTH = 8
MAX_COMPLAINTS = 60
MAX_TEXT = 8_192
FIELD_KEYS = ("param", "loc", "field", "path", "instancePath")
"""Keys of an error object that name a field of the request."""
ECHO_KEYS = frozenset({"input", "body", "request", "user_id", "request_id", "failed_generation"})
_LONG_WORD = re.compile(r"[\w-]{8,}")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One text of a refusal with the field that the same object names, if any."""

    text: str
    field: Path = ()


@dataclass(frozen=True)
class Refusal:
    """The status and the texts of a refused request."""

    status: int
    complaints: tuple[Complaint, ...]

    @cached_property
    def text(self) -> str:
        """All texts, one a line."""
        return "\n".join(dict.fromkeys(one.text for one in self.complaints))[:MAX_TEXT]

    @cached_property
    def search_text(self) -> str:
        """All texts and field names in lower case."""
        fields = (".".join(one.field) for one in self.complaints if one.field)
        return "\n".join((self.text, *fields)).lower()

    @cached_property
    def identity(self) -> tuple[int, str]:
        """Equal for two refusals of the same kind: without request ids and dates."""
        return self.status, _LONG_WORD.sub(_constant, self.search_text)


def read_refusal(status: int, body: bytes) -> Refusal:
    """Read the body of a refused request."""
    found: list[Complaint] = []
    for complaint in _complaints(_parsed(body.decode("utf-8", "replace")), (), 0):
        found.append(complaint)
        if len(found) >= MAX_COMPLAINTS:
            break
    return Refusal(status, tuple(found))


def _constant(word: re.Match[str]) -> str:
    """Return a word of a refusal; nothing for ids, dates and digests, which differ between two equal refusals."""
    return "" if any(map(str.isdecimal, word[0])) else word[0]


def field_path(text: str) -> Path:
    """Return a path in any notation as segments: `tools[0].function`, `/tools/0/function`, `body -> tools -> 0`."""
    return tuple(re.findall(r"[^.\[\]/\s'\"`$>,:()]+(?<!-)", text))


def _complaints(value: object, field: Path, depth: int) -> Iterator[Complaint]:
    if isinstance(value, str) and value.strip():
        inner = _parsed(value)
        if inner is value:
            yield Complaint(value[:MAX_TEXT], field)
            return
        value = inner
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _complaints(one, field, depth + 1)
    elif isinstance(value, Mapping):
        yield from _complaints_of(value, field, depth)


def _complaints_of(value: Mapping[str, object], field: Path, depth: int) -> Iterator[Complaint]:
    own = _field_of(value) or field
    by_name = value.get("errors")
    if isinstance(by_name, Mapping):
        # Rails, Phoenix, Laravel and ASP.NET give the complaints by the name of the field.
        for name, one in by_name.items():
            yield from _complaints(one, field_path(str(name)) or own, depth + 1)
    for key, one in value.items():
        if key not in ECHO_KEYS and key not in FIELD_KEYS:
            yield from _complaints(one, own, depth + 1)
    param = value.get("param")
    if isinstance(param, str) and " " in param.strip():
        # MiMo gives the reason in `param`.
        yield Complaint(param[:MAX_TEXT], field)


def _field_of(value: Mapping[str, object]) -> Path:
    for key in FIELD_KEYS:
        named = value.get(key)
        if isinstance(named, str) and named and " " not in named.strip():
            return field_path(named)
        if isinstance(named, list) and named:
            return tuple(str(part) for part in named)
    return ()


def _parsed(text: str) -> object:
    """Return the JSON in a text, which gateways quote; the text itself if it is none."""
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        return text
    try:
        value: object = orjson.loads(start)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, dict | list) else text
