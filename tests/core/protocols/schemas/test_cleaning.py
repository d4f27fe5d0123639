from __future__ import annotations

from typing import Any

import pytest

from addons.core.protocols.schemas.cleaning import MAX_NODES, Cleaner
from addons.core.protocols.schemas.levels import BASIC, GEMINI, STRICT, SUBSET, WORDS
from tests.core.protocols.schemas.samples import Json
from tests.strict.schemas import anthropic_output

TEXT: Json = {"type": "string"}


def tool(**properties: Any) -> Json:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": ["string", "null"]}, {**TEXT, "nullable": True}),
        ({"anyOf": [TEXT, {"type": "null"}], "description": "d"}, {**TEXT, "description": "d", "nullable": True}),
        ({"anyOf": [TEXT, {"type": "integer"}], "description": "d"}, {"anyOf": [{**TEXT, "description": "d"}, {"type": "integer"}]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer", "description": "One of: 1,2."}),
        ({"enum": ["a"]}, {**TEXT, "enum": ["a"]}),
        ({"type": "null"}, {**TEXT, "nullable": True}),
        ({**TEXT, "format": "uuid", "minLength": 1}, {**TEXT, "minLength": 1, "description": "Format: uuid."}),
        ({"type": "object", "additionalProperties": TEXT}, {"type": "object", "description": 'Other properties: {"type":"string"}.'}),
    ],
)  # fmt: skip
def test_gemini_receives_an_equivalent_schema(given: Json, sent: Json) -> None:
    assert Cleaner(tool(a=given), GEMINI).tool() == tool(a=sent)


def test_subset_and_words_describe_the_rest() -> None:
    schema = tool(a={"type": "integer", "minimum": 1}, b=tool(c=TEXT))
    assert Cleaner(schema, SUBSET).tool() == tool(
        a={"type": "integer", "description": "At least 1."}, b=tool(c=TEXT)
    )
    words: Any = Cleaner(schema, WORDS).tool()["properties"]
    assert words["b"]["type"] == "object"
    assert '"c"' in words["b"]["description"]


def test_root_of_another_type_becomes_an_object() -> None:
    for root in (
        {"type": "string"},
        {"enum": [1]},
        {"$ref": "#"},
        {"anyOf": [TEXT]},
        {"type": ["null", "object"]},
    ):
        result = Cleaner(root, BASIC).tool()
        assert (result["type"], result["properties"]) == ("object", {})


def test_nested_root_unions_are_flattened() -> None:
    inner = {"oneOf": [tool(b=TEXT), tool(c=TEXT)], "required": ["a"]}
    result: Any = Cleaner({"anyOf": [tool(a=TEXT), inner]}, BASIC).tool()
    assert list(result["properties"]) == ["a", "b", "c"]


def test_work_is_bounded() -> None:
    cleaner = Cleaner(tool(**{f"p{number}": TEXT for number in range(MAX_NODES + 10)}), BASIC)
    assert len(cleaner.tool()["properties"]) == MAX_NODES + 10  # type: ignore[arg-type]
    assert cleaner.is_lossy


def test_strict_closes_objects_and_reports_what_it_cannot_express() -> None:
    cleaner = Cleaner(tool(a=tool(b={"type": "string", "maxLength": 2})), STRICT)
    result = cleaner.answer()
    assert anthropic_output(result) == []
    assert not cleaner.is_lossy
    unsayable: tuple[Json, ...] = (
        {},
        {"type": "object"},
        {"patternProperties": {"x": TEXT}},
        {"items": [TEXT]},
        {"enum": [{}]},
    )
    for lost in unsayable:
        cleaner = Cleaner(tool(a=lost), STRICT)
        cleaner.answer()
        assert cleaner.is_lossy


def test_conditions_are_described() -> None:
    schema = {**tool(a=TEXT), "if": {"required": ["a"]}, "then": {"required": ["b"]}}
    notes = str(Cleaner(schema, BASIC).tool()["description"])
    assert notes == 'JSON schema: {"if":{"required":["a"]},"then":{"required":["b"]}}.'


def test_enum_of_other_types_than_the_schema_is_described() -> None:
    given = tool(a={"type": "integer", "enum": ["1", "2"]}, b={"enum": ["", "x"]})
    notes = {"type": "integer", "description": 'One of: "1","2".'}
    assert Cleaner(given, BASIC).tool() == tool(a=notes, b={**TEXT, "enum": ["", "x"]})
    empty = {**TEXT, "description": 'One of: "","x".'}
    assert Cleaner(given, GEMINI).tool() == tool(a=notes, b=empty)


def test_definitions_elsewhere_in_the_document_are_not_described() -> None:
    schemas = {"schemas": {"Cat": TEXT}}
    schema = {**tool(a={"$ref": "#/components/schemas/Cat"}), "components": schemas}
    result = Cleaner(schema, BASIC).tool()
    assert result == {**tool(a={"$ref": "#/$defs/Cat"}), "$defs": {"Cat": TEXT}}
