"""Writes out what a schema refers to and combines: `$ref`, `allOf`, `oneOf`.

Invariant: total; the result has none of the three, except one reference if references may stay; a reference is written
out at most once on the way from the root to a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from addons.core.json_values import JsonDict
from addons.core.protocols.schemas.drafts import modern
from addons.core.protocols.schemas.finite import PREFIX
from addons.core.protocols.schemas.merge import FIRST_WINS, NOTES, merged
from addons.core.protocols.schemas.references import References
from addons.core.protocols.schemas.sentences import sentence

MAX_HOPS = 40
MAX_PARTS = 50

Stack = tuple[str, ...]
"""The definitions that are being written out."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A schema without references and combinations."""

    schema: JsonDict
    stack: Stack
    notes: list[str] = field(default_factory=list)
    """What was taken out, as sentences."""
    is_reference: bool = False
    is_cut: bool = False
    """Whether a recursion ended here."""


class Expander:
    """Writes out the references of one document."""

    def __init__(self, root: Mapping[str, object], *, keeps_references: bool) -> None:
        self.references = References(root)
        self.needed: dict[str, Mapping[str, object]] = {}
        """The definitions that references in the result name, by key."""
        self._keeps = keeps_references
        self._definitions: dict[str, JsonDict] = {}

    def definition(self, key: str, target: Mapping[str, object]) -> JsonDict:
        """Return a definition in the current draft, which is worked out once however many references there are."""
        if key not in self._definitions:
            self._definitions[key] = modern(target)
        return self._definitions[key]

    def expand(self, value: object, stack: Stack, *, may_refer: bool = True) -> Expanded:
        """Return the schema. With `may_refer`, it may be a reference."""
        walk = _Walk(self, stack, may_refer=may_refer and self._keeps)
        schema = walk.flat(modern(value), MAX_HOPS)
        notes = schema.pop(NOTES, [])
        for keywords in notes if isinstance(notes, list) else ():
            walk.notes += [sentence(key, one) for key, one in keywords.items()]
        return Expanded(schema, walk.stack, walk.notes, "$ref" in schema, walk.is_cut)


class _Walk:
    """The expansion of one schema."""

    def __init__(self, expander: Expander, stack: Stack, *, may_refer: bool) -> None:
        self._expander = expander
        self.stack = stack
        self._may_refer = may_refer
        self.notes: list[str] = []
        self.is_cut = False

    def flat(self, schema: JsonDict, hops: int) -> JsonDict:
        """Return the schema without `allOf`, `oneOf` and, unless it stays, `$ref`."""
        if hops == MAX_HOPS:
            schema = _only_part(schema)
        while hops > 0:
            hops -= 1
            if "$ref" in schema:
                if (kept := self._kept(schema)) is not None:
                    return kept
                schema = self._written_out(schema)
            elif "allOf" in schema:
                schema = self._joined(schema, hops)
            elif "oneOf" in schema:
                _one_of(schema, self.notes)
            else:
                return schema
        for key in ("$ref", "allOf", "oneOf"):
            if key in schema:
                self.is_cut = True
                self.notes.append(sentence(key, schema.pop(key)))
        return schema

    def _kept(self, schema: JsonDict) -> JsonDict | None:
        """Return the reference alone, if it can stay."""
        found = self._expander.references.target(str(schema["$ref"]))
        if not self._may_refer or found is None:
            return None
        key, target = found
        siblings = schema.keys() - FIRST_WINS - {"$ref", NOTES}
        if siblings and key not in self.stack:
            return None
        self._expander.needed.setdefault(key, target)
        self.notes += [
            sentence(name, schema[name])
            for name in (*sorted(siblings), "default")
            if name in schema
        ]
        kept: JsonDict = {"$ref": PREFIX + self._expander.references.name(key)}
        if "description" in schema:
            kept["description"] = schema["description"]
        return kept

    def _written_out(self, schema: JsonDict) -> JsonDict:
        reference = str(schema["$ref"])
        schema = {name: value for name, value in schema.items() if name != "$ref"}
        found = self._expander.references.target(reference)
        if found is None:
            self.notes.append(f"The definition {reference} is missing.")
            return schema
        key, target = found
        definition = self._expander.definition(key, target)
        if key not in self.stack:
            self.stack = (*self.stack, key)
            return merged(schema, definition)
        self.is_cut = True
        self.notes.append(
            f"Built like {self._expander.references.name(key)}, which it is a part of."
        )
        if "type" in definition and "type" not in schema:
            schema["type"] = definition["type"]
        return schema

    def _joined(self, schema: JsonDict, hops: int) -> JsonDict:
        parts = schema["allOf"]
        schema = {name: value for name, value in schema.items() if name != "allOf"}
        may_refer, self._may_refer = self._may_refer, False
        for part in parts[:MAX_PARTS] if isinstance(parts, list) else ():
            schema = merged(schema, self.flat(modern(part), min(hops, MAX_HOPS - 1)))
        self._may_refer = may_refer
        return schema


def _only_part(schema: JsonDict) -> JsonDict:
    """Return `allOf` with a single part, as many generators write a reference with a description, without it."""
    parts = schema.get("allOf")
    if not isinstance(parts, list) or len(parts) != 1 or "$ref" in schema:
        return schema
    siblings = {name: value for name, value in schema.items() if name != "allOf"}
    return merged(siblings, modern(parts[0]))


def _one_of(schema: JsonDict, notes: list[str]) -> None:
    options = schema.pop("oneOf")
    if "anyOf" in schema:
        notes.append(sentence("oneOf", options))
    else:
        schema["anyOf"] = options
