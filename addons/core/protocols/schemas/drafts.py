"""One schema of any draft, or one that is malformed, as JSON Schema 2020-12. Its subschemas are left as they are.

Sources: JSON Schema, "Release notes" of the drafts 3 to 2020-12; OpenAPI 3.0, "Schema object" (`nullable`, `example`).
Invariant: total; a keyword of the result has a value of the kind that 2020-12 requires.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from addons.core.json_values import JsonDict

Schema = Mapping[str, object]

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
OTHER_TYPES = {
    "str": "string", "text": "string", "int": "integer", "long": "integer", "float": "number", "double": "number",
    "bool": "boolean", "dict": "object", "map": "object", "list": "array", "tuple": "array", "none": "null", "nil": "null",
}  # fmt: skip
"""Names of types that generators write by mistake."""
METADATA = frozenset({"$schema", "$id", "id", "$comment", "$anchor", "$vocabulary", "$dynamicAnchor", "$recursiveAnchor", "$defs", "definitions", "xml", "externalDocs", "discriminator", "components"})  # fmt: skip
IMPLIED = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip
NEVER = "No value is accepted here."


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_map(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_filled(value: object) -> bool:
    return isinstance(value, list) and bool(value)


def _is_schema(value: object) -> bool:
    return isinstance(value, bool | Mapping)


_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains")  # fmt: skip
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FORMS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_COUNTS, _is_count),
    **dict.fromkeys(_NUMBERS, _is_number),
    **dict.fromkeys(("title", "description", "pattern", "format", "$ref"), _is_text),
    **dict.fromkeys(("properties", "patternProperties", "dependentRequired", "dependentSchemas"), _is_map),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable"), _is_flag),
    **dict.fromkeys(("enum", "anyOf", "oneOf", "allOf", "prefixItems", "examples"), _is_filled),
    **dict.fromkeys(("items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"), _is_schema),
    "required": lambda value: isinstance(value, list),
    "multipleOf": lambda value: _is_number(value) and value > 0,  # type: ignore[operator]
}  # fmt: skip
"""Keyword → whether its value has the right kind."""


def modern(value: object) -> JsonDict:
    """Return a schema as 2020-12."""
    if not isinstance(value, Mapping):
        return {"description": NEVER} if value is False else {}
    schema: JsonDict = dict(value)
    _references(schema)
    _bounds(schema)
    _tuples(schema)
    _draft_3(schema)
    _dependencies(schema)
    for keyword in METADATA:
        schema.pop(keyword, None)
    if "const" in schema:
        schema.setdefault("enum", [schema["const"]])
        del schema["const"]
    if "example" in schema:
        schema.setdefault("examples", [schema.pop("example")])
    schema = {key: one for key, one in schema.items() if _is_well_formed(key, one)}
    _types(schema)
    return schema


def _is_well_formed(key: str, value: object) -> bool:
    form = _FORMS.get(key)
    return form is None or form(value)


def _references(schema: JsonDict) -> None:
    for old in ("$dynamicRef", "$recursiveRef"):
        if old in schema:
            schema.setdefault("$ref", schema.pop(old))


def _bounds(schema: JsonDict) -> None:
    """Draft 4: `exclusiveMinimum: true` with `minimum`."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and bound in schema:
                schema[exclusive] = schema.pop(bound)
    if "divisibleBy" in schema:
        schema.setdefault("multipleOf", schema.pop("divisibleBy"))


def _tuples(schema: JsonDict) -> None:
    """Before 2020-12: `items` as a list, with `additionalItems` for the rest."""
    rest = schema.pop("additionalItems", None)
    items = schema.get("items")
    if isinstance(items, list):
        del schema["items"]
        schema.setdefault("prefixItems", items)
        if rest is not None:
            schema["items"] = rest


def _draft_3(schema: JsonDict) -> None:
    """Draft 3 and many hand-written schemas: `required: true` inside a property; `extends`, `disallow`."""
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        needed = [
            name
            for name, one in properties.items()
            if isinstance(one, Mapping) and one.get("required") is True
        ]
        if needed:
            known = schema.get("required")
            schema["required"] = [*(known if isinstance(known, list) else ()), *needed]
    if "extends" in schema:
        parts = schema.pop("extends")
        schema.setdefault("allOf", parts if isinstance(parts, list) else [parts])
    schema.pop("disallow", None)


def _dependencies(schema: JsonDict) -> None:
    """Before 2019-09: `dependencies` with lists of names or schemas."""
    known = schema.pop("dependencies", None)
    if not isinstance(known, Mapping):
        return
    names = {key: one for key, one in known.items() if isinstance(one, list)}
    schemas = {key: one for key, one in known.items() if isinstance(one, Mapping)}
    if names:
        schema.setdefault("dependentRequired", names)
    if schemas:
        schema.setdefault("dependentSchemas", schemas)


def _types(schema: JsonDict) -> None:
    """Write `type` as a list of known types without repetition; leave it out if any type is accepted."""
    given = schema.pop("type", None)
    listed = given if isinstance(given, list) else [given]
    is_nullable = schema.pop("nullable", False) is True
    options = [one for one in listed if isinstance(one, Mapping)]
    if options:
        names = [one for one in listed if isinstance(one, str)] + ["null"] * is_nullable
        schema.setdefault("anyOf", [*options, *({"type": one} for one in names)])
        return
    named = [_type_name(one) for one in listed if isinstance(one, str)]
    types = list(dict.fromkeys(one for one in named if one in TYPES))
    if (
        "any" not in named
        and not types
        and not {"anyOf", "oneOf", "allOf", "$ref", "enum"} & schema.keys()
    ):
        types = [kind for kind, words in IMPLIED.items() if any(word in schema for word in words)]
    if is_nullable and (types or "enum" in schema):
        types += [] if "null" in types or not types else ["null"]
        values = schema.get("enum")
        if isinstance(values, list) and None not in values:
            schema["enum"] = [*values, None]
    if types:
        schema["type"] = types


def _type_name(name: str) -> str:
    lower = name.strip().lower()
    return OTHER_TYPES.get(lower, lower)
