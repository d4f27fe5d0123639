"""JSON schemas as providers take them: what they refuse is taken out or said in another way.

Source: OpenAI, "Structured outputs: supported schemas"; Google, "Gemini API: Schema". Never changes what a schema asks
for where the provider can say it; never touches a property for its name. Invariant: pure and idempotent; the result
is an object schema, because every upstream wants one for a tool.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from addons.core.target import SchemaCleaning

Schema = Mapping[str, object]
Json = dict[str, object]

NOISE = frozenset({"$schema", "$id", "$comment", "$anchor", "$vocabulary"})
FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
"""Keywords whose values are schemas by name."""
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SINGLES = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})
GEMINI_KEYS = frozenset(
    {
        "type", "title", "description", "nullable", "enum", "format", "properties", "required",
        "items", "anyOf", "minItems", "maxItems", "minProperties", "maxProperties", "minLength",
        "maxLength", "pattern", "minimum", "maximum",
    }
)  # fmt: skip
GEMINI_FORMATS = ("enum", "date-time", "int32", "int64", "float", "double")
DEEPEST = 60
"""A schema that refers to itself is opened this far at most."""


def cleaned(schema: Schema, cleaning: SchemaCleaning) -> Json:
    """The schema of a tool or of an answer, as this kind of provider takes it."""
    result = dict(schema)
    if cleaning == "basic":
        result = _basic(schema)
    elif cleaning == "gemini":
        result = _gemini(schema, {}, ())
    if not result or ("type" not in result and "properties" in result):
        result["type"] = "object"
    if result.get("type") == "object":
        result.setdefault("properties", {})
    return result


def _basic(schema: Schema) -> Json:
    return {
        key: _inside(key, value)
        for key, value in schema.items()
        if key not in NOISE and not (key == "format" and value not in FORMATS)
    }


def _inside(key: str, value: object) -> object:
    if key in MAPS and isinstance(value, Mapping):
        return {name: _one(one) for name, one in value.items()}
    if key in LISTS and isinstance(value, list):
        return [_one(one) for one in value]
    return _one(value) if key in SINGLES else value


def _one(value: object) -> object:
    return _basic(value) if isinstance(value, Mapping) else value


def _gemini(schema: Schema, above: Schema, opened: tuple[str, ...]) -> Json:
    """Gemini knows no references, no combinations but anyOf, no type lists and no null type."""
    definitions = {**above, **_definitions(schema)}
    plain = _dereferenced(schema, definitions, opened)
    if plain is None:
        return {"type": "object"}
    names = (*opened, str(schema["$ref"])) if "$ref" in schema else opened
    result = _typed(_combined(plain))
    out: Json = {key: value for key, value in result.items() if key in GEMINI_KEYS}
    if out.get("format") not in GEMINI_FORMATS:
        out.pop("format", None)
    return _required(_listed({**out, **_below(out, definitions, names)}))


def _below(schema: Schema, definitions: Schema, opened: tuple[str, ...]) -> Json:
    """The schemas inside this one; what is no schema allows all."""
    found: Json = {}

    def one(value: object) -> Json:
        return _gemini(value, definitions, opened) if isinstance(value, Mapping) else {}

    if "properties" in schema:
        named = schema["properties"]
        found["properties"] = (
            {name: one(value) for name, value in named.items()}
            if isinstance(named, Mapping)
            else {}
        )
    if "items" in schema:
        found["items"] = one(schema["items"])
    if "anyOf" in schema:
        options = schema["anyOf"]
        found["anyOf"] = [one(value) for value in options] if isinstance(options, list) else []
    return found


def _definitions(schema: Schema) -> Json:
    found: Json = {}
    for key in ("$defs", "definitions"):
        value = schema.get(key)
        if isinstance(value, Mapping):
            found |= {f"#/{key}/{name}": one for name, one in value.items()}
    return found


def _dereferenced(schema: Schema, definitions: Schema, opened: tuple[str, ...]) -> Json | None:
    """The schema with its reference opened; None when it refers to itself or to nothing."""
    name = schema.get("$ref")
    if name is None:
        return dict(schema)
    meant = definitions.get(str(name))
    if not isinstance(meant, Mapping) or str(name) in opened or len(opened) > DEEPEST:
        return None
    return {**meant, **{key: value for key, value in schema.items() if key != "$ref"}}


def _combined(schema: Json) -> Json:
    result = dict(schema)
    if "oneOf" in result:
        result.setdefault("anyOf", result.pop("oneOf"))
    parts = result.pop("allOf", None)
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, Mapping):
            result = {**part, **result}
    if "const" in result:
        result.setdefault("enum", [result.pop("const")])
    return result


def _typed(schema: Json) -> Json:
    """`null` as a type or an alternative is `nullable` here."""
    result = dict(schema)
    kinds = result.get("type")
    if isinstance(kinds, list):
        real = [kind for kind in kinds if kind != "null"]
        result.pop("type")
        if len(real) < len(kinds):
            result["nullable"] = True
        if len(real) == 1:
            result["type"] = real[0]
        elif real:
            result["anyOf"] = [{"type": kind} for kind in real]
    options = result.get("anyOf")
    if isinstance(options, list):
        real = [option for option in options if option != {"type": "null"}]
        if len(real) < len(options):
            result["nullable"] = True
        result.pop("anyOf")
        if len(real) == 1 and isinstance(real[0], Mapping):
            return {**result, **real[0]}
        if real:
            result["anyOf"] = real
    return result


def _listed(schema: Json) -> Json:
    """Only strings can be enumerated: other values are named in the description."""
    values = schema.get("enum")
    if not isinstance(values, list):
        schema.pop("enum", None)
        return schema
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) == len(values):
        schema.setdefault("type", "string")
        return schema
    del schema["enum"]
    said = f"One of: {orjson.dumps(values).decode()[1:-1]}."
    before = schema.get("description")
    schema["description"] = f"{before} {said}" if isinstance(before, str) else said
    return schema


def _required(schema: Json) -> Json:
    names, known = schema.get("required"), schema.get("properties")
    if isinstance(names, list):
        properties = known if isinstance(known, Mapping) else {}
        kept = [name for name in names if isinstance(name, str) and name in properties]
        schema["required"] = kept
        if not kept:
            del schema["required"]
    return schema
