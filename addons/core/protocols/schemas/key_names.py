"""Property names that servers refuse, as names that they take, and the way back in the arguments of calls.

Sources: Anthropic's refusal "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'"; Moonshot, "walle and JSON
Schema 2020-12" (names of properties that are keywords). Never changes anything of the arguments but these names.
Invariant: a new name is a pure function of the old one and no tool uses it, so that the way back is certain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from addons.core.json_values import JsonObject
from addons.core.protocols.canonical.argument_repair import ArgumentStream, is_object

LEGAL = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
ILLEGAL_CHARACTERS = re.compile(r"[^a-zA-Z0-9_.-]+")
RESERVED = frozenset({"anyOf", "required", "additionalProperties"})
MAX_BASE = 50
DIGEST_LENGTH = 6
_STRING = re.compile(r'"((?:[^"\\]++|\\.)*+)"(?=(\s*:)?)', re.DOTALL)


def sent_name(name: str) -> str:
    """Return a name that servers take. A legal one is unchanged."""
    if LEGAL.fullmatch(name) and name not in RESERVED:
        return name
    base = ILLEGAL_CHARACTERS.sub("_", name)[:MAX_BASE].strip("_") or "key"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
    return f"{base}_{digest}"


@dataclass(frozen=True, slots=True)
class KeyNames:
    """The properties of one schema that have another name upstream. Empty for nearly every schema."""

    sent: Mapping[str, str] = field(default_factory=dict)
    """The tool's name → the name upstream."""

    def __bool__(self) -> bool:
        return bool(self.sent)

    def to_sent(self, arguments: str) -> str:
        """Return the JSON text of arguments with the names upstream."""
        return _renamed(arguments, self.sent) if self.sent and is_object(arguments) else arguments

    def to_original(self, arguments: str) -> str:
        """Return the JSON text of arguments with the tool's own names."""
        return _renamed(arguments, {new: old for old, new in self.sent.items()})

    def value_to_sent(self, value: object) -> object:
        """Return a value of the schema, such as a default, with the names upstream."""
        if not self.sent or not isinstance(value, dict | list):
            return value
        try:
            return orjson.loads(_renamed(orjson.dumps(value).decode(), self.sent))
        except (TypeError, ValueError):
            return value


NO_NAMES = KeyNames()


def _renamed(arguments: str, names: Mapping[str, str]) -> str:
    """Rewrite the keys only: numbers, order and whitespace stay as the model wrote them."""

    def rewritten(found: re.Match[str]) -> str:
        if found[2] is None:
            return found[0]
        try:
            name = names.get(json.loads(found[0]))
        except ValueError:
            return found[0]
        return found[0] if name is None else json.dumps(name, ensure_ascii=False)

    return _STRING.sub(rewritten, arguments)


class RestoringStream(ArgumentStream):
    """Passes on the arguments of a call when they are complete, with the tool's own names."""

    __slots__ = ("_names",)

    def __init__(self, names: KeyNames) -> None:
        super().__init__()
        self._names = names

    def feed(self, piece: str) -> str:  # noqa: ARG002 - the pieces come again with `finish`
        """Pass on nothing yet: a name is certain only in the complete arguments."""
        return ""

    def finish(self, arguments: str, schema: JsonObject | None = None) -> tuple[str, bool]:
        """Return all the arguments, and whether they are an object."""
        required = schema.get("required") if schema else None
        if schema and isinstance(required, list):
            names = [sent_name(name) if isinstance(name, str) else name for name in required]
            schema = {**schema, "required": names}
        text, is_whole = super().finish(arguments, schema)
        return (self._names.to_original(text), True) if is_whole else (text, False)
