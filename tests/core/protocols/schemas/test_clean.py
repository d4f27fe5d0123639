from __future__ import annotations

import json
import time
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings

from addons.core.protocols.schemas.clean import (
    MAX_BYTES,
    clean_answer,
    clean_schema,
    key_names,
    strict_schema,
)
from addons.core.upstream.profile import SchemaCleaning
from tests.core.protocols.schemas.samples import ANYTHING, TOOLS, Json, accepts
from tests.strict.schemas import STRICT_JUDGES, TOOL_JUDGES, gemini_tool

LEVELS = get_args(SchemaCleaning)
JUDGED: list[Any] = [
    *((judge, level) for judge in TOOL_JUDGES.items() for level in ("basic", "subset", "words")),
    *((("gemini", gemini_tool), level) for level in ("gemini", "subset", "words")),
]


@pytest.mark.parametrize(
    ("judge", "level"), JUDGED, ids=lambda one: one if isinstance(one, str) else one[0]
)
@given(schema=ANYTHING)
def test_any_schema_becomes_one_that_the_provider_accepts(
    judge: Any, level: Any, schema: Json
) -> None:
    assert judge[1](clean_schema(schema, level)) == []
    assert judge[1](clean_schema({**schema, "type": "object"}, level)) == []


@pytest.mark.parametrize(
    ("judge", "level"), JUDGED, ids=lambda one: one if isinstance(one, str) else one[0]
)
@given(case=TOOLS)
def test_schema_of_any_draft_becomes_one_that_the_provider_accepts(
    judge: Any, level: Any, case: tuple[Json, Json]
) -> None:
    assert judge[1](clean_schema(case[0], level)) == []


@pytest.mark.parametrize("level", ["basic", "gemini", "subset", "words"])
@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"properties": {"a": {"$ref": "#"}}}]},
        {
            "anyOf": [{"$ref": "#/$defs/a"}],
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#"}]}},
        },
    ],
)
def test_option_that_refers_to_its_own_union_is_cut(level: Any, schema: Json) -> None:
    assert clean_schema(schema, level)["type"] == "object"


@pytest.mark.parametrize("level", ["basic", "gemini", "subset", "words"])
@given(case=TOOLS)
@settings(max_examples=150)
def test_arguments_that_the_tool_accepts_are_accepted_and_come_back(
    level: Any, case: tuple[Json, Json]
) -> None:
    schema, arguments = case
    names, cleaned = key_names(schema), clean_schema(schema, level)
    sent = names.to_sent(json.dumps(arguments))
    if level == "basic":
        assert accepts(cleaned, json.loads(sent), cleaned), (cleaned, sent)
    elif level in {"gemini", "subset"}:
        assert set(json.loads(sent)) <= set(cleaned["properties"])  # type: ignore[call-overload]
    assert json.loads(names.to_original(sent)) == arguments


@pytest.mark.parametrize("judge", STRICT_JUDGES)
@given(schema=ANYTHING)
def test_strict_schema_is_accepted(judge: str, schema: Json) -> None:
    for whole in (schema, {**schema, "type": "object", "additionalProperties": False}):
        strict = strict_schema(whole, all_required=judge != "anthropic")
        assert strict is None or STRICT_JUDGES[judge](strict) == []


@pytest.mark.parametrize("level", LEVELS)
@given(schema=ANYTHING)
def test_cleaning_is_total_and_deterministic(level: Any, schema: Json) -> None:
    once = clean_schema(schema, level)
    assert clean_schema(json.loads(json.dumps(schema)), level) == once
    assert once["type"] == "object"
    assert isinstance(once["properties"], dict)
    orjson.dumps(clean_answer(schema, level))


def tool(**properties: Any) -> Json:
    return {"type": "object", "properties": properties}


TEXT = {"type": "string"}
FILES: Json = {
    "type": "object",
    "description": "Give one.",
    "anyOf": [
        tool(filename=TEXT, content=TEXT) | {"required": ["filename", "content"]},
        tool(filename=TEXT, source_url=TEXT) | {"required": ["filename", "source_url"]},
    ],
}


def test_root_union_becomes_an_object_with_every_property_typed() -> None:
    assert clean_schema(FILES, "basic") == {
        **tool(filename=TEXT, content=TEXT, source_url=TEXT),
        "required": ["filename"],
        "description": "Give one. Use one of these sets of properties: (1) filename, content; (2) filename, source_url.",
    }


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ({"type": "string", "anyOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"type": "string", "anyOf": [{"minLength": 1}, {"pattern": "x"}]}, {"anyOf": [{**TEXT, "minLength": 1}, {**TEXT, "pattern": "x"}]}),
        ({"type": "array", "anyOf": [{"items": TEXT}, {"items": {"type": "integer"}}]},
         {"anyOf": [{"type": "array", "items": TEXT}, {"type": "array", "items": {"type": "integer"}}]}),
        ({"oneOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"anyOf": [TEXT, {"anyOf": [{"type": "integer"}, TEXT]}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"allOf": [TEXT, {"maxLength": 3}], "title": "t"}, {**TEXT, "maxLength": 3, "title": "t"}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"], "minLength": 1}, {"anyOf": [{**TEXT, "minLength": 1}, {"type": "null"}]}),
        ({**TEXT, "nullable": True}, {"type": ["string", "null"]}),
        ({"const": "x"}, {**TEXT, "enum": ["x"]}),
        ({"enum": ["a", None]}, {"anyOf": [{**TEXT, "enum": ["a"]}, {"type": "null"}]}),
        ({"enum": [1, "a"]}, {"anyOf": [{"type": "integer", "enum": [1]}, {**TEXT, "enum": ["a"]}]}),
        ({**TEXT, "format": "odd"}, {**TEXT, "description": "Format: odd."}),
        ({**TEXT, "format": "uuid"}, {**TEXT, "format": "uuid"}),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"type": "number", "exclusiveMinimum": 0}),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": False}, {"type": "number", "minimum": 0}),
        ({"type": "array", "items": [TEXT]}, {"type": "array", "prefixItems": [TEXT], "items": {"anyOf": [TEXT, {"type": ["string", "number", "boolean", "object", "null"]}]}}),
        ({"type": "array", "items": [TEXT], "additionalItems": False}, {"type": "array", "prefixItems": [TEXT], "items": TEXT, "maxItems": 1}),
        ({"type": "STRING"}, TEXT),
        ({"type": "object", "required": ["gone"]}, {"type": "object", "description": 'Also required: "gone".'}),
        ({"type": "object", "additionalProperties": {}}, {"type": "object", "additionalProperties": True}),
        ({"not": {"enum": ["x"]}, **TEXT}, {**TEXT, "description": 'Not: {"enum":["x"]}.'}),
        ({"$ref": "#/$defs/none"}, None),
    ],
)  # fmt: skip
def test_basic_writes_an_equivalent_property(given_: Json, sent: Json | None) -> None:
    cleaned: Any = clean_schema(tool(a=given_), "basic")["properties"]
    if sent is None:
        assert "is missing" in cleaned["a"]["description"]
    else:
        assert cleaned["a"] == sent


def test_recursive_definition_is_kept_or_cut_with_a_note() -> None:
    node = tool(next={"$ref": "#/definitions/A node"})
    schema = {**tool(a={"$ref": "#/definitions/A node"}), "definitions": {"A node": node}}
    kept = clean_schema(schema, "basic")
    assert kept["properties"] == {"a": {"$ref": "#/$defs/A_node"}}
    assert kept["$defs"] == {"A_node": tool(next={"$ref": "#/$defs/A_node"})}
    cut = clean_schema(schema, "gemini")
    words = "Built like A_node, which it is a part of."
    assert cut["properties"] == {"a": tool(next={"type": "object", "description": words})}
    assert strict_schema(schema) is None


def test_odd_keys_are_renamed_and_explained() -> None:
    schema = {
        **tool(**{"$top": {"type": "integer"}, "filter[app]": TEXT, "plain": TEXT}),
        "required": ["$top"],
    }
    cleaned: Any = clean_schema(schema, "basic")
    top, app, plain = cleaned["properties"]
    assert (plain, cleaned["required"]) == ("plain", [top])
    assert '"$top"' in cleaned["properties"][top]["description"]
    assert '"filter[app]"' in cleaned["properties"][app]["description"]


BOUNDED: Json = {
    **tool(
        n={"type": "integer", "minimum": 1, "maximum": 9},
        s={"type": "string", "minLength": 2, "pattern": "x+", "default": "xx"},
        l={"type": "array", "items": TEXT, "minItems": 2},
    ),
    "required": ["n", "s", "l"],
    "additionalProperties": False,
}


def test_strict_describes_refused_keywords() -> None:
    strict: Any = strict_schema(BOUNDED)
    assert strict["properties"] == {
        "n": {"type": "integer", "description": "At least 1. At most 9."},
        "s": {
            **TEXT,
            "description": 'At least 2 characters. Matches the regular expression "x+". Default: "xx".',
        },
        "l": {"type": "array", "items": TEXT, "description": "At least 2 items."},
    }
    assert strict["additionalProperties"] is False


@pytest.mark.parametrize(
    "schema",
    [
        tool(a=TEXT),
        {**tool(a=tool(b=TEXT)), "required": ["a"]},
        {**BOUNDED, "additionalProperties": TEXT},
        {"type": "object"},
        {**tool(a={}), "required": ["a"]},
        {**tool(a={"type": "array"}), "required": ["a"]},
        {**tool(**{"$a": TEXT}), "required": ["$a"]},
        {"type": "array", "items": TEXT},
    ],
)
def test_schema_that_a_grammar_cannot_express_is_not_strict(schema: Json) -> None:
    assert strict_schema(schema) is None


def test_huge_schema_costs_little_and_stays_small() -> None:
    wide = tool(**{f"p{number}": tool(a=TEXT, b={"enum": ["x"] * 50}) for number in range(20_000)})
    chain = {
        f"d{n}": tool(a={"$ref": f"#/$defs/d{n + 1}"}, b={"$ref": f"#/$defs/d{n + 1}"})
        for n in range(60)
    }
    doubling = {**tool(a={"$ref": "#/$defs/d0"}), "$defs": {**chain, "d60": TEXT}}
    deep: Json = {}
    for _ in range(900):
        deep = {"properties": {"a": deep}, "allOf": [{"anyOf": [deep]}]}
    node = tool(**{f"p{number}": {"$ref": "#/$defs/node"} for number in range(2_000)})
    looping = {**tool(a={"$ref": "#/$defs/node"}), "$defs": {"node": node}}
    for schema in (wide, doubling, deep, looping):
        for level in ("basic", "gemini", "subset", "words"):
            start = time.process_time()
            cleaned = clean_schema(schema, level)
            assert time.process_time() - start < 5
            assert schema is wide or len(orjson.dumps(cleaned)) <= MAX_BYTES
            properties: Any = cleaned["properties"]
            assert all({"type", "anyOf", "$ref"} & one.keys() for one in properties.values())


def test_equal_schema_is_cleaned_once() -> None:
    first = clean_schema(dict(FILES), "basic")
    assert clean_schema(json.loads(json.dumps(FILES)), "basic") is first


def test_answer_keeps_its_root_and_its_keys() -> None:
    array = {"type": "array", "items": {"type": "string", "format": "odd"}}
    assert clean_answer(array, "basic")["type"] == "array"
    assert clean_answer(tool(**{"$top": TEXT}), "basic") == tool(**{"$top": TEXT})
    assert clean_answer(array, "none") == array


def test_none_changes_only_the_root() -> None:
    schema = {**tool(a={"type": "string", "format": "odd"}), "$schema": "x"}
    assert clean_schema(schema, "none") == schema
    assert clean_schema({}, "none") == tool()
    assert clean_schema(FILES, "none") == clean_schema(FILES, "basic")


def test_property_is_not_removed_because_of_its_name() -> None:
    names = tool(format=TEXT, default=TEXT, items=TEXT, title=TEXT, properties=TEXT, type=TEXT)
    for level in ("basic", "gemini", "subset"):
        assert clean_schema(names, level) == names
