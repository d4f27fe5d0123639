from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from addons.core.protocols.schemas.drafts import NEVER, modern
from tests.core.protocols.schemas.samples import ANYTHING, Json


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (True, {}),
        (False, {"description": NEVER}),
        (3, {}),
        ({"$schema": "x", "$id": "y", "id": "z", "$comment": "c", "title": "t"}, {"title": "t"}),
        ({"type": "number", "divisibleBy": 2}, {"type": ["number"], "multipleOf": 2}),
        ({"type": "number", "multipleOf": 0}, {"type": ["number"]}),
        ({"maximum": 3, "exclusiveMaximum": True}, {"type": ["number"], "exclusiveMaximum": 3}),
        ({"exclusiveMaximum": True}, {}),
        ({"items": [{}], "additionalItems": False}, {"type": ["array"], "prefixItems": [{}], "items": False}),
        ({"type": "array", "items": {}, "additionalItems": False}, {"type": ["array"], "items": {}}),
        ({"properties": {"a": {"required": True}}}, {"type": ["object"], "properties": {"a": {"required": True}}, "required": ["a"]}),
        ({"extends": {"title": "t"}, "disallow": "null"}, {"allOf": [{"title": "t"}]}),
        ({"type": ["string", {"type": "null"}]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
        ({"type": "any"}, {}),
        ({"type": ["int", "INTEGER", "odd", 3]}, {"type": ["integer"]}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"enum": ["a"], "nullable": True}, {"enum": ["a", None]}),
        ({"type": "string", "nullable": False}, {"type": ["string"]}),
        ({"const": None}, {"enum": [None]}),
        ({"dependencies": {"a": ["b"], "c": {"title": "t"}}}, {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"title": "t"}}}),
        ({"$recursiveRef": "#"}, {"$ref": "#"}),
        ({"$dynamicRef": "#node"}, {"$ref": "#node"}),
        ({"minLength": -1, "maxLength": 1.5, "minimum": "1", "pattern": 3, "enum": [], "anyOf": {}, "required": "a"}, {}),
        ({"nullable": True, "type": {}}, {"anyOf": [{}, {"type": "null"}]}),
        ({"example": 1}, {"examples": [1]}),
    ],
)  # fmt: skip
def test_older_and_malformed_schemas(old: Any, new: Json) -> None:
    assert modern(old) == new


@given(ANYTHING)
def test_it_is_idempotent(schema: Json) -> None:
    once = modern(schema)
    assert modern(once) == once
