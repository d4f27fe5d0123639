"""Schemas of every draft with values that they accept, malformed schemas, and a judge of values."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Case = tuple[Any, Any]
"""A schema and a value that it accepts."""

NAMES = st.sampled_from(["a", "b", "$top", "filter[app]", "naïve key", "required", "anyOf", "x" * 70, "", "type", "$ref", "a.b-c"])  # fmt: skip
TEXTS = st.sampled_from(["", "on", "$top", "ü", '"'])

KEYWORDS = st.sampled_from(
    ["$schema", "$ref", "type", "format", "default", "const", "enum", "anyOf", "allOf", "oneOf", "items", "prefixItems",
     "additionalProperties", "properties", "required", "description", "$defs", "definitions", "nullable", "not", "if",
     "$id", "$anchor", "minimum", "exclusiveMinimum", "minItems", "pattern", "patternProperties", "dependencies"]
)  # fmt: skip
LEAVES = st.sampled_from(["string", "null", "integer", "object", "array", "#/$defs/a", "#/definitions/type", "#", "uuid", "x", None, 1, -2, 1.5, True, False, "object"])  # fmt: skip
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=25,
).filter(lambda value: isinstance(value, dict))
"""Mostly malformed schemas."""


def _scalars() -> st.SearchStrategy[Case]:
    return st.one_of(
        TEXTS.map(lambda text: ({"type": "string", "minLength": len(text), "format": "uri"}, text)),
        TEXTS.map(lambda text: ({"type": ["string", "null"], "default": "x", "maxLength": 9}, text)),
        st.integers(-5, 5).map(lambda number: ({"type": "number", "minimum": number - 1, "exclusiveMinimum": True}, number)),
        st.integers(-5, 5).map(lambda number: ({"type": "integer", "exclusiveMaximum": number + 1}, number)),
        st.sampled_from([True, False]).map(lambda value: ({"type": "boolean"}, value)),
        st.sampled_from([1, "a", None, True, 2.5]).map(lambda value: ({"enum": ["a", 1, None, True, 2.5, {"$top": 1}]}, value)),
        st.sampled_from([1, "a", None]).map(lambda value: ({"const": value}, value)),
        st.just(({"type": "string", "nullable": True, "description": "d"}, None)),
        st.just(({"enum": ["a", None]}, None)),
        st.sampled_from([({}, {"a": 1}), (True, "x"), ({"description": "any"}, [1])]),
        st.just(({"$ref": "#/definitions/Tree<a>"}, {"v": 1, "$kids": [{"v": 2, "$kids": []}]})),
        st.just(({"$ref": "#/$defs/text", "description": "d", "maxLength": 3}, "abc")),
        st.just(({"allOf": [{"$ref": "#/$defs/text"}], "default": "x"}, "abc")),
        st.just(({"$ref": "https://example.com/none.json"}, 1)),
    )  # fmt: skip


def _objects(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def built(parts: dict[str, Case], kind: int) -> Case:
        properties = {name: schema for name, (schema, _) in parts.items()}
        value = {name: one for name, (_, one) in parts.items()}
        required = sorted(properties)[:kind]
        schema: Json = {"type": "object", "properties": properties, "required": required}
        if kind == 1:
            schema["additionalProperties"] = False
        if kind == 2:
            return {
                "properties": properties,
                "anyOf": [{"required": required}, {"required": ["none"]}],
            }, value
        return schema, value

    return st.builds(built, st.dictionaries(NAMES, inner, max_size=3), st.integers(0, 3))


def _arrays(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    return st.one_of(
        inner.map(lambda one: ({"type": "array", "items": one[0], "minItems": 1}, [one[1], one[1]])),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda all_: ({"type": "array", "items": [one[0] for one in all_], "additionalItems": False}, [one[1] for one in all_])
        ),
        st.lists(inner, min_size=1, max_size=2).map(lambda all_: ({"type": "array", "prefixItems": [one[0] for one in all_]}, [one[1] for one in all_])),
    )  # fmt: skip


def _unions(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    return st.one_of(
        st.tuples(inner, inner, st.sampled_from(["anyOf", "oneOf"])).map(lambda all_: ({all_[2]: [all_[0][0], all_[1][0]]}, all_[1][1])),
        st.tuples(inner, inner).map(lambda both: ({"anyOf": [both[0][0], {"type": "null"}], "description": "d"}, both[0][1])),
        inner.map(lambda one: ({"allOf": [one[0], {"description": "also"}]}, one[1])),
    )  # fmt: skip


CASES: st.SearchStrategy[Case] = st.recursive(
    _scalars(), lambda inner: _objects(inner) | _arrays(inner) | _unions(inner), max_leaves=8
)
DEFINITIONS: Json = {
    "definitions": {
        "Tree<a>": {
            "type": "object",
            "properties": {
                "v": {"type": "integer"},
                "$kids": {"type": "array", "items": {"$ref": "#/definitions/Tree%3Ca%3E"}},
            },
            "required": ["v"],
        }
    },
    "$defs": {"text": {"type": "string", "maxLength": 5}},
}
TOOLS: st.SearchStrategy[tuple[Json, Json]] = _objects(CASES).map(
    lambda case: ({**case[0], **DEFINITIONS}, case[1])
)
"""Schemas of tools, with arguments that they accept."""


def accepts(schema: Any, value: Any, root: Json) -> bool:
    """Return whether a cleaned schema accepts a value. It has only the keywords that are judged here."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema and not any(accepts(one, value, root) for one in schema["anyOf"]):
        return False
    if "type" in schema and not _has_type(schema["type"], value):
        return False
    if "enum" in schema and not any(
        type(one) is type(value) and one == value for one in schema["enum"]
    ):
        return False
    return _bounds(schema, value) and _parts(schema, value, root)


def _has_type(types: Any, value: Any) -> bool:
    kinds: dict[str, Any] = {
        "string": str, "boolean": bool, "object": dict, "array": list, "null": type(None), "integer": int, "number": (int, float),
    }  # fmt: skip
    return any(
        isinstance(value, kinds[one]) and (one == "boolean" or not isinstance(value, bool))
        for one in (types if isinstance(types, list) else [types])
    )


def _bounds(schema: Json, value: Any) -> bool:
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 999))
    if isinstance(value, list):
        return bool(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 999))
    if isinstance(value, int | float) and not isinstance(value, bool):
        above = schema.get("minimum", value) <= value and not value <= schema.get(
            "exclusiveMinimum", value - 1
        )
        return (
            above
            and schema.get("maximum", value) >= value
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    return True


def _parts(schema: Json, value: Any, root: Json) -> bool:
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        return all(name in value for name in schema.get("required", [])) and all(
            accepts(properties.get(name, other), one, root) for name, one in value.items()
        )
    if isinstance(value, list):
        prefix = schema.get("prefixItems", [])
        pairs = [
            (prefix[place] if place < len(prefix) else schema.get("items", True), one)
            for place, one in enumerate(value)
        ]
        return all(accepts(kind, one, root) for kind, one in pairs)
    return True
