from __future__ import annotations

import pytest

from addons.core.protocols.schemas.merge import NOTES, merged
from tests.core.protocols.schemas.samples import Json

TEXT: Json = {"type": "string"}


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ({"minLength": 1, "maxLength": 9}, {"minLength": 3, "maxLength": 20}, {"minLength": 3, "maxLength": 9}),
        ({"type": ["string", "null"]}, {"type": ["string"]}, {"type": ["string"]}),
        ({"type": ["number"]}, {"type": ["integer"]}, {"type": ["integer"]}),
        ({"type": ["integer"]}, {"type": ["number"]}, {"type": ["integer"]}),
        ({"type": ["string"]}, {"type": ["null"]}, {"type": ["string"], NOTES: [{"type": ["null"]}]}),
        ({"enum": [1, 2]}, {"enum": [2, 3]}, {"enum": [2]}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"title": "a"}, {"title": "b", "default": 1}, {"title": "a", "default": 1}),
        ({"properties": {"a": TEXT}}, {"properties": {"b": TEXT}}, {"properties": {"a": TEXT, "b": TEXT}}),
        ({"properties": {"a": TEXT}}, {"properties": {"a": {}}}, {"properties": {"a": {"allOf": [TEXT, {}]}}}),
        ({"items": TEXT}, {"items": {}}, {"items": {"allOf": [TEXT, {}]}}),
        ({"additionalProperties": True}, {"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": True}, {"additionalProperties": TEXT}, {"additionalProperties": TEXT}),
        ({"additionalProperties": TEXT}, {"additionalProperties": {}}, {"additionalProperties": {"allOf": [TEXT, {}]}}),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "a", NOTES: [{"pattern": "b"}]}),
        ({"anyOf": [TEXT]}, {"anyOf": [{}]}, {"anyOf": [TEXT], NOTES: [{"anyOf": [{}]}]}),
    ],
)  # fmt: skip
def test_both_schemas_stay_in_force(first: Json, second: Json, both: Json) -> None:
    assert merged(first, second) == both
