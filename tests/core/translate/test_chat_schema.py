from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.translate.chat_schema import GEMINI_KEYS, cleaned

TEXT = {"type": "string"}


def shape(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


KEYWORDS = st.sampled_from(
    ["$schema", "$ref", "type", "format", "default", "const", "enum", "anyOf", "allOf", "oneOf",
     "items", "additionalProperties", "properties", "required", "description", "$defs", "nullable"]
)  # fmt: skip
SCHEMAS = st.recursive(
    st.sampled_from(["string", "null", "integer", "#/$defs/a", "uuid", "x", None, 1, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=5),
    max_leaves=20,
).filter(lambda value: isinstance(value, dict))


def subschemas(schema: dict[str, Any]) -> list[dict[str, Any]]:
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    below += [schema["items"]] if "items" in schema else []
    return [schema, *(one for each in below if isinstance(each, dict) for one in subschemas(each))]


@pytest.mark.parametrize("cleaning", ["none", "basic", "gemini"])
@given(schema=SCHEMAS)
@example(schema={"type": "object", "properties": {}, "required": [[]]})
def test_cleaning_is_total_and_done_once(cleaning: Any, schema: dict[str, Any]) -> None:
    once = cleaned(schema, cleaning)
    if cleaning != "gemini":
        assert cleaned(once, cleaning) == once
    assert "properties" in once or once.get("type") != "object"


@given(SCHEMAS)
def test_gemini_is_sent_nothing_that_it_does_not_know(schema: dict[str, Any]) -> None:
    for one in subschemas(cleaned({**schema, "type": "object"}, "gemini")):
        assert set(one) <= GEMINI_KEYS


@pytest.mark.parametrize("cleaning", ["none", "basic", "gemini"])
def test_an_empty_schema_is_an_object(cleaning: Any) -> None:
    assert cleaned({}, cleaning) == {"type": "object", "properties": {}}


def test_none_changes_nothing() -> None:
    schema = {**shape(a={"type": "string", "format": "odd"}), "$schema": "x"}
    assert cleaned(schema, "none") == schema


def test_basic_takes_out_noise_and_unknown_formats() -> None:
    schema = {"$schema": "x", **shape(a={"type": "string", "format": "odd"}, b={"format": "uuid"})}
    assert cleaned(schema, "basic") == shape(a=TEXT, b={"format": "uuid"})


@pytest.mark.parametrize("noise", ["$schema", "$id", "$comment", "$anchor", "$vocabulary"])
@pytest.mark.parametrize("cleaning", ["basic", "gemini"])
def test_noise_is_taken_out(noise: str, cleaning: Any) -> None:
    assert cleaned({**shape(a={**TEXT, noise: "x"}), noise: "x"}, cleaning) == shape(a=TEXT)


@pytest.mark.parametrize("kind", ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])  # fmt: skip
def test_formats_that_everybody_knows_stay(kind: str) -> None:
    schema = shape(a={"type": "string", "format": kind})
    assert cleaned(schema, "basic") == schema


BAD, GOOD = {"type": "string", "format": "odd"}, TEXT


@pytest.mark.parametrize("key", ["properties", "$defs", "definitions", "patternProperties", "dependentSchemas"])  # fmt: skip
def test_basic_looks_into_schemas_by_name(key: str) -> None:
    base = {"type": "object", "properties": {}}
    assert cleaned({**base, key: {"$id": BAD}}, "basic") == {**base, key: {"$id": GOOD}}
    assert cleaned({**base, key: ["x"]}, "basic") == {**base, key: ["x"]}


@pytest.mark.parametrize("key", ["anyOf", "oneOf", "allOf", "prefixItems"])
def test_basic_looks_into_lists_of_schemas(key: str) -> None:
    assert cleaned(shape(a={key: [BAD, True]}), "basic") == shape(a={key: [GOOD, True]})


@pytest.mark.parametrize("key", ["items", "additionalProperties", "not", "contains", "propertyNames"])  # fmt: skip
def test_basic_looks_into_single_schemas(key: str) -> None:
    assert cleaned(shape(a={key: BAD}), "basic") == shape(a={key: GOOD})
    assert cleaned(shape(a={key: False}), "basic") == shape(a={key: False})


@pytest.mark.parametrize("key", ["default", "const", "enum", "examples"])
def test_basic_leaves_values_alone(key: str) -> None:
    assert cleaned(shape(a={key: [BAD]}), "basic") == shape(a={key: [BAD]})


GEMINI_TAKES: dict[str, Any] = {
    "title": "t", "description": "d", "nullable": True, "minItems": 1, "maxItems": 2, "minProperties": 1, "maxProperties": 2,
    "minLength": 1, "maxLength": 2, "pattern": "x", "minimum": 1, "maximum": 2, "type": "string", "format": "int32",
}  # fmt: skip


@pytest.mark.parametrize("key", GEMINI_TAKES)
def test_gemini_is_told_what_it_knows(key: str) -> None:
    schema = shape(a={key: GEMINI_TAKES[key]})
    assert cleaned(schema, "gemini") == schema


@pytest.mark.parametrize("kind", ["enum", "date-time", "int32", "int64", "float", "double"])
def test_formats_that_gemini_alone_knows_stay(kind: str) -> None:
    schema = shape(a={"type": "integer", "format": kind})
    assert cleaned(schema, "gemini") == schema


def test_gemini_keeps_what_is_required_and_known() -> None:
    schema = {**shape(a=TEXT, b=TEXT), "required": ["a", "gone", 3, "b"]}
    assert cleaned(schema, "gemini") == {**shape(a=TEXT, b=TEXT), "required": ["a", "b"]}


def test_a_property_is_never_taken_out_for_its_name() -> None:
    names = shape(**{"$schema": TEXT, "format": TEXT, "default": TEXT, "additionalProperties": TEXT})  # fmt: skip
    assert cleaned(names, "basic") == names
    assert cleaned(names, "gemini") == names


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ({"type": "string", "default": "x"}, TEXT),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"anyOf": [TEXT, {"type": "null"}]}, {"type": "string", "nullable": True}),
        ({"oneOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"allOf": [TEXT, {"description": "d"}]}, {"type": "string", "description": "d"}),
        ({"const": "x"}, {"type": "string", "enum": ["x"]}),
        ({"const": "x", "enum": ["y"]}, {"type": "string", "enum": ["y"]}),
        ({"enum": ["x"], "type": "odd"}, {"type": "odd", "enum": ["x"]}),
        ({"enum": "x"}, {}),
        ({"enum": ["x", 1], "description": "d"}, {"description": 'd One of: "x",1.'}),
        ({"enum": [1], "description": 3}, {"description": "One of: 1."}),
        ({"type": ["string", "integer"]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"type": ["string", "integer", "null"]}, {"nullable": True, "anyOf": [TEXT, {"type": "integer"}]}),
        ({"type": ["null"]}, {"nullable": True}),
        ({"anyOf": [{"type": "null"}]}, {"nullable": True}),
        ({"anyOf": [TEXT]}, TEXT),
        ({"anyOf": [True]}, {"anyOf": [{}]}),
        ({"anyOf": "x"}, {"anyOf": []}),
        ({"oneOf": [TEXT], "anyOf": [{"type": "integer"}]}, {"type": "integer"}),
        ({"allOf": "x", "title": "t"}, {"title": "t"}),
        ({"allOf": ["x", {"title": "p"}], "title": "t"}, {"title": "t"}),
        ({"allOf": [{"title": "a"}, {"title": "b"}]}, {"title": "a"}),
        ({"items": True}, {"items": {}}),
        ({"properties": "x"}, {"properties": {}}),
        ({"properties": {"b": True}}, {"properties": {"b": {}}}),
        ({"required": ["b"], "properties": "x"}, {"properties": {}}),
        ({"$ref": "#/$defs/leaf", "description": "d"}, {"type": "string", "description": "d"}),
        ({"$ref": "#/definitions/old"}, {"type": "integer"}),
        ({"$ref": "#/$defs/both"}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"$defs": {"own": TEXT}, "$ref": "#/$defs/own"}, TEXT),
        ({"$ref": 3}, {"type": "object"}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer", "description": "One of: 1,2."}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": "string", "format": "uuid"}, TEXT),
        ({"$ref": "#/$defs/leaf"}, TEXT),
        ({"$ref": "#/$defs/none"}, {"type": "object"}),
        ({"type": "array", "items": {"$ref": "#/$defs/leaf"}}, {"type": "array", "items": TEXT}),
        ({"type": "object", "properties": {}, "required": ["gone"]}, {"type": "object", "properties": {}}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
    ],
)  # fmt: skip
def test_gemini_is_told_in_its_own_way(given_: dict[str, Any], sent: dict[str, Any]) -> None:
    both = {"anyOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/definitions/old"}]}
    named = {"$defs": {"leaf": TEXT, "both": both}, "definitions": {"old": {"type": "integer"}}}
    schema = {**shape(a=given_), **named}
    assert cleaned(schema, "gemini") == shape(a=sent)


def test_a_schema_that_holds_itself_ends() -> None:
    node = shape(next={"$ref": "#/$defs/node"})
    schema = {**shape(a={"$ref": "#/$defs/node"}), "$defs": {"node": node}}
    assert cleaned(schema, "gemini") == shape(a=shape(next={"type": "object"}))
