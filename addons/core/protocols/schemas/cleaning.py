"""Rewrites the JSON schema of a tool or of a structured answer into what a server accepts.

Never treats a property as a keyword because of its name, never drops a keyword that a model can use: what cannot
stay becomes a sentence of the description. Invariant: pure, total and bounded. Except at the level `STRICT`, which closes objects,
the result accepts every value that the given schema accepts, with the names of `key_names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from addons.core.json_values import JsonDict, as_object
from addons.core.protocols.schemas.drafts import modern
from addons.core.protocols.schemas.expansion import Expanded, Expander, Stack
from addons.core.protocols.schemas.finite import loosened
from addons.core.protocols.schemas.key_names import NO_NAMES, KeyNames
from addons.core.protocols.schemas.levels import ANNOTATIONS, BY_TYPE, Level
from addons.core.protocols.schemas.sentences import compact, described, sentence
from addons.core.protocols.schemas.unions import (
    distributed,
    enum_options,
    flattened,
    is_flattened,
    without_null,
)

MAX_NODES = 3_000
"""Schemas that are written; the rest accepts everything."""
MAX_NESTING = 60
MAX_OPTIONS = 100
SCALARS = ("string", "number", "boolean")
OWN_NAME = 'The tool itself calls this property "{}".'
ANY_JSON = "Any JSON value."
ALL_KEYWORDS = frozenset().union(*BY_TYPE.values())


class Cleaner:
    """Cleans one document at one level."""

    def __init__(
        self, root: Mapping[str, object], level: Level, names: KeyNames = NO_NAMES
    ) -> None:
        self._root = root
        self._level = level
        self._names = names
        self._expander = Expander(root, keeps_references=level.references)
        self._nodes = 0
        self._nesting = 0
        self._anything: JsonDict | None = None
        self.is_lossy = False
        """Whether the result refuses values that the given schema accepts, or could not hold all of it."""

    def tool(self) -> JsonDict:
        """Return the document as the schema of a tool: an object without a union."""
        found = self._expander.expand(self._root, (), may_refer=False)
        if options := found.schema.get("anyOf"):
            found = self._flat_root(found, options)
        schema = {**found.schema, "type": ["object"]}
        values = schema.pop("enum", None)
        notes = [*found.notes, *([sentence("enum", values)] if values else [])]
        result = self._one_type("object", schema, 0, found.stack)
        properties = result.get("properties", {})
        return self._with_definitions(described({**result, "properties": properties}, notes))

    def answer(self) -> JsonDict:
        """Return the document as the schema of an answer, which need not be an object."""
        found = self._expander.expand(self._root, (), may_refer=False)
        types = as_list(found.schema.get("type", "object"))
        if types == ["object"] or ("object" in types and "enum" not in found.schema):
            return self.tool()
        return self._with_definitions(self._clean(self._root, 0, ()))

    def _flat_root(self, found: Expanded, options: object) -> Expanded:
        expanded: list[Expanded] = []
        # with the stack of each option: an option may refer to the root or to itself
        waiting = [(one, found.stack) for one in as_list(options)[:MAX_OPTIONS]]
        while waiting and len(expanded) < MAX_OPTIONS:
            option = self._expander.expand(*waiting.pop(0), may_refer=False)
            nested = option.schema.pop("anyOf", None)
            if isinstance(nested, list) and len(waiting) < MAX_OPTIONS:
                parts = ({"allOf": [option.schema, one]} for one in nested)
                waiting = [*((part, option.stack) for part in parts), *waiting]
            else:
                expanded.append(option)
        siblings = {key: one for key, one in found.schema.items() if key != "anyOf"}
        schema, notes = flattened(siblings, [one.schema for one in expanded])
        stack = tuple(dict.fromkeys(key for one in (found, *expanded) for key in one.stack))
        return Expanded(
            schema, stack if not self._level.references else found.stack, [*found.notes, *notes]
        )

    def _with_definitions(self, schema: JsonDict) -> JsonDict:
        definitions: dict[str, JsonDict] = {}
        while waiting := [
            (name, key, target)
            for key, target in self._expander.needed.items()
            if (name := self._expander.references.name(key)) not in definitions
        ]:
            for name, key, target in waiting:
                definitions[name] = self._clean(target, 1, (key,), may_refer=False)
        return {**schema, "$defs": loosened(definitions)} if definitions else schema

    def _clean(
        self, value: object, depth: int, stack: Stack, *, may_refer: bool = True
    ) -> JsonDict:
        result = self._option(value, depth, stack, may_refer=may_refer)
        if result.get("type") == "null" and self._loses_null:
            return self._options([result], result)
        return result

    def _option(
        self, value: object, depth: int, stack: Stack, *, may_refer: bool = True
    ) -> JsonDict:
        """Clean a schema that may be null."""
        self._nodes += 1
        if self._nodes > MAX_NODES or self._nesting >= MAX_NESTING:
            self.is_lossy = True
            # one object for all: a huge schema has thousands of such places
            self._anything = self._anything or self._any({})
            return self._anything
        self._nesting += 1
        found = self._expander.expand(value, stack, may_refer=may_refer)
        self.is_lossy = self.is_lossy or found.is_cut
        schema = (
            found.schema if found.is_reference else self._union(found.schema, depth, found.stack)
        )
        self._nesting -= 1
        return self._without_siblings(described(schema, found.notes))

    def _union(self, schema: JsonDict, depth: int, stack: Stack) -> JsonDict:
        """Clean a schema that may have options."""
        options = schema.get("anyOf")
        if not isinstance(options, list):
            return self._types(schema, depth, stack)
        parent = {key: one for key, one in schema.items() if key != "anyOf"}
        expanded = [
            self._expander.expand(one, stack, may_refer=False)
            for one in options[:MAX_OPTIONS]
            if one is not False
        ]
        if is_flattened(parent, [one.schema for one in expanded]):
            flat, notes = flattened(parent, [one.schema for one in expanded])
            stacks = tuple(dict.fromkeys(key for one in expanded for key in one.stack))
            return described(
                self._types(flat, depth, stacks if not self._level.references else stack), notes
            )
        kept = distributed(parent, options[:MAX_OPTIONS], expanded)
        cleaned = [self._option(one, depth, stack) for one in kept]
        return self._options(cleaned or [self._any({})], parent)

    def _options(self, options: Sequence[JsonDict], parent: JsonDict) -> JsonDict:
        """Return a union of cleaned schemas, with the annotations of the schema that they are options of."""
        flat: list[JsonDict] = []
        for option in options:
            nested = option.get("anyOf")
            inner = nested if isinstance(nested, list) and option.keys() <= {"anyOf"} else [option]
            flat += [one for one in inner if one not in flat]
        annotations, notes = self._kept(parent, ANNOTATIONS & parent.keys())
        flat, is_null = without_null(flat) if self._loses_null else (flat, False)
        if not flat:
            flat = [{"type": "string"}]
        if is_null and self._level.nullable:
            annotations["nullable"] = True
        elif is_null:
            notes.append("May be null.")
        if len(flat) == 1:
            inner_text = str(flat[0].get("description", ""))
            return described({**flat[0], **annotations}, [inner_text, *notes])
        return self._without_siblings(
            described({**annotations, "anyOf": flat[:MAX_OPTIONS]}, notes)
        )

    @property
    def _loses_null(self) -> bool:
        return self._level.nullable or (not self._level.type_lists and not self._level.closed)

    def _without_siblings(self, schema: JsonDict) -> JsonDict:
        """Move the siblings of `anyOf` into its options."""
        options = schema.get("anyOf")
        if not self._level.union_alone or not isinstance(options, list) or len(schema) == 1:
            return schema
        text, first = str(schema.get("description", "")), options[0]
        options = [described(first, [text]), *options[1:]] if text else options
        if schema.get("nullable"):
            options = [{**one, "nullable": True} for one in options]
        return {"anyOf": options}

    def _types(self, schema: JsonDict, depth: int, stack: Stack) -> JsonDict:
        """Clean a schema without options, which may accept several types."""
        schema = modern(schema)
        types = [str(one) for one in as_list(schema.get("type", []))]
        values = schema.get("enum")
        if isinstance(values, list):
            options, notes = enum_options(values, types, string_only=self._level.string_enums)
            if options:
                self.is_lossy = self.is_lossy or (self._level.closed and bool(notes))
                return described(self._options([*options], schema), notes)
            # No value has one of the types, so it is not known which of both is meant.
            schema = described(schema, [sentence("enum", values)])
        if not types:
            return self._any(schema)
        if len(types) == 1:
            return self._one_type(types[0], schema, depth, stack)
        structure = schema.keys() & ALL_KEYWORDS
        if self._level.type_lists and not structure and not {"array", "object"} & set(types):
            annotations, notes = self._kept(schema, ANNOTATIONS & schema.keys())
            return described({"type": types, **annotations}, [*notes, *self._rest(schema)])
        bare = {key: one for key, one in schema.items() if key not in ANNOTATIONS}
        options = [self._one_type(kind, {**bare, "type": [kind]}, depth, stack) for kind in types]
        return self._options(options, schema)

    def _any(self, schema: JsonDict) -> JsonDict:
        """Return a schema for every value, with the types that servers ask for."""
        if self._level.closed:
            self.is_lossy = True
        item: JsonDict = (
            {"type": [*SCALARS, "object", "null"]} if self._level.type_lists else {"type": "string"}
        )
        kinds = [*SCALARS, "object", "array", "null"]
        options: list[JsonDict] = [{"type": kind} for kind in kinds]
        options[4]["items"] = item
        return described(self._options(options, schema), self._rest(schema))

    def _one_type(self, kind: str, schema: JsonDict, depth: int, stack: Stack) -> JsonDict:
        usable = BY_TYPE[kind] & schema.keys()
        if kind in {"object", "array"} and usable and depth >= self._level.max_depth:
            return self._cut(kind, schema)
        children = (
            "properties",
            "required",
            "additionalProperties",
            "patternProperties",
            "items",
            "prefixItems",
        )
        result, notes = self._kept(schema, (ANNOTATIONS | usable) & schema.keys() - set(children))
        result = {"type": kind, **result}
        if kind == "object":
            notes += self._object(result, schema, depth + 1, stack)
        elif kind == "array":
            notes += self._array(result, schema, depth + 1, stack)
        return described(result, [*notes, *self._rest(schema)])

    def _cut(self, kind: str, schema: JsonDict) -> JsonDict:
        self.is_lossy = True
        annotations, notes = self._kept(schema, ANNOTATIONS & schema.keys())
        shown = {key: one for key, one in schema.items() if key in BY_TYPE[kind]}
        self._nodes += 20
        result: JsonDict = {"type": kind, **annotations}
        if kind == "array":
            result["items"] = self._any_item()
        return described(result, [*notes, f"It has to match this JSON schema: {compact(shown)}"])

    def _any_item(self) -> JsonDict:
        if self._level.type_lists:
            return {"type": [*SCALARS, "object", "null"]}
        return {"type": "string", "description": ANY_JSON}

    def _kept(
        self, schema: JsonDict, keys: frozenset[str] | set[str]
    ) -> tuple[JsonDict, list[str]]:
        """Return the keywords that stay at this level, and the others in words."""
        kept: JsonDict = {}
        notes: list[str] = []
        for key in (key for key in schema if key in keys):
            value = schema[key]
            if key in {"default", "examples"}:
                value = self._names.value_to_sent(value)
            allowed = key in self._level.keywords
            if key == "format":
                allowed = allowed and value in self._level.formats
            if allowed:
                kept[key] = value
            else:
                notes.append(sentence(key, value))
        return kept, notes

    def _rest(self, schema: JsonDict) -> list[str]:
        """Return in words the keywords that no level keeps."""
        known = ALL_KEYWORDS | ANNOTATIONS | {"type", "enum", "anyOf", "if", "then", "else"}
        notes = [sentence(key, one) for key, one in islice(schema.items(), 60) if key not in known]
        condition = {key: schema[key] for key in ("if", "then", "else") if key in schema}
        return [*notes, f"JSON schema: {compact(condition)}."] if condition else notes

    def _object(self, result: JsonDict, schema: JsonDict, depth: int, stack: Stack) -> list[str]:
        notes: list[str] = []
        properties = as_object(schema.get("properties"))
        if properties:
            result["properties"] = {
                self._name(name): self._property(name, one, depth, stack)
                for name, one in properties.items()
            }
        names = [one for one in as_list(schema.get("required", [])) if isinstance(one, str)]
        if required := list(dict.fromkeys(self._name(one) for one in names if one in properties)):
            result["required"] = required
        if missing := [one for one in names if one not in properties]:
            notes.append(sentence("required", list(dict.fromkeys(missing))))
        if patterns := as_object(schema.get("patternProperties")):
            notes += self._patterns(result, patterns, depth, stack)
        return notes + self._open(result, schema, depth, stack)

    def _name(self, name: str) -> str:
        return self._names.sent.get(name, name)

    def _property(self, name: str, value: object, depth: int, stack: Stack) -> JsonDict:
        cleaned = self._clean(value, depth, stack)
        if name in self._names.sent:
            return self._without_siblings(described(cleaned, [OWN_NAME.format(name)]))
        return cleaned

    def _patterns(
        self, result: JsonDict, patterns: Mapping[str, object], depth: int, stack: Stack
    ) -> list[str]:
        self.is_lossy = self.is_lossy or self._level.closed
        if "patternProperties" not in self._level.keywords or self._level.closed:
            return [sentence("patternProperties", patterns)]
        result["patternProperties"] = {
            name: self._clean(one, depth, stack) for name, one in patterns.items()
        }
        return []

    def _open(self, result: JsonDict, schema: JsonDict, depth: int, stack: Stack) -> list[str]:
        """Write whether other properties are accepted."""
        value = schema.get("additionalProperties")
        if value is None and schema.get("unevaluatedProperties") is False:
            value = False
        if self._level.closed:
            self.is_lossy = (
                self.is_lossy or value not in {None, False}
                if not isinstance(value, Mapping)
                else True
            )
            self.is_lossy = self.is_lossy or (value is None and "properties" not in schema)
            result["additionalProperties"] = False
        elif value is None:
            return []
        elif "additionalProperties" not in self._level.keywords:
            return [sentence("additionalProperties", value)]
        elif isinstance(value, Mapping):
            result["additionalProperties"] = self._clean(value, depth, stack) if value else True
        else:
            result["additionalProperties"] = value
        return []

    def _array(self, result: JsonDict, schema: JsonDict, depth: int, stack: Stack) -> list[str]:
        items = schema.get("items")
        prefix = [
            self._clean(one, depth, stack)
            for one in as_list(schema.get("prefixItems", []))[:MAX_OPTIONS]
        ]
        rest = [self._clean(items, depth, stack)] if isinstance(items, Mapping) and items else []
        if items is False and "maxItems" in self._level.keywords:
            limit = result.get("maxItems")
            result["maxItems"] = min(len(prefix), limit) if isinstance(limit, int) else len(prefix)
        open_ended = prefix and not rest and items is not False
        if open_ended or not (prefix or rest):
            rest = [self._any_item()]
            self.is_lossy = self.is_lossy or self._level.closed
        result["items"] = self._options([*prefix, *rest], {})
        if not prefix:
            return []
        if "prefixItems" in self._level.keywords:
            result["prefixItems"] = prefix
            return []
        self.is_lossy = self.is_lossy or self._level.closed
        return [sentence("prefixItems", schema["prefixItems"])]


def as_list(value: object) -> list[object]:
    """Return the value as a list."""
    return value if isinstance(value, list) else [value]
