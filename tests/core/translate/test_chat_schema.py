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
    schema = {**shape(a=given_), "$defs": {"leaf": TEXT}}
    assert cleaned(schema, "gemini") == shape(a=sent)


def test_a_schema_that_holds_itself_ends() -> None:
    node = shape(next={"$ref": "#/$defs/node"})
    schema = {**shape(a={"$ref": "#/$defs/node"}), "$defs": {"node": node}}
    assert cleaned(schema, "gemini") == shape(a=shape(next={"type": "object"}))
