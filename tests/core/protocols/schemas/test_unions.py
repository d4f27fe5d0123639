from __future__ import annotations

from addons.core.protocols.schemas.unions import (
    enum_options,
    flattened,
    is_flattened,
    is_object,
    without_null,
)
from tests.core.protocols.schemas.samples import Json

TEXT: Json = {"type": ["string"]}


def options(*properties: Json) -> list[Json]:
    return [{"properties": one, "required": list(one)} for one in properties]


def test_properties_with_several_schemas_accept_each() -> None:
    flat, notes = flattened(
        {}, options({"a": TEXT, "kind": {"const": 1}}, {"a": {}, "kind": {"enum": [2]}})
    )
    assert flat["properties"] == {
        "a": {"anyOf": [TEXT, {}]},
        "kind": {"anyOf": [{"const": 1}, {"enum": [2]}]},
    }
    assert flat["required"] == ["a", "kind"]
    assert notes == ["Use one of these sets of properties: (1) a, kind 1; (2) a, kind 2."]


def test_properties_of_the_parent_are_restricted_only_by_every_option() -> None:
    parent: Json = {"properties": {"a": TEXT, "b": TEXT}}
    flat, _ = flattened(parent, options({"a": {"enum": ["x"]}, "b": {}}, {"a": {"enum": ["y"]}}))
    assert flat["properties"] == {
        "a": {"allOf": [TEXT, {"anyOf": [{"enum": ["x"]}, {"enum": ["y"]}]}]},
        "b": TEXT,
    }


def test_object_is_closed_if_every_option_is() -> None:
    closed: Json = {"properties": {"a": TEXT}, "additionalProperties": False}
    assert flattened({}, [closed, closed])[0]["additionalProperties"] is False
    assert "additionalProperties" not in flattened({}, [closed, {"properties": {"b": TEXT}}])[0]


def test_other_restrictions_of_options_are_described() -> None:
    _, notes = flattened({}, [{"minProperties": 2}])
    assert notes == ['JSON schema: {"anyOf":[{"minProperties":2}]}.']


def test_which_unions_are_flattened() -> None:
    assert is_flattened({"properties": {}}, [{"required": ["a"]}])
    assert not is_flattened({}, [{"required": ["a"]}])
    assert not is_flattened({"properties": {}}, [TEXT])
    assert not is_object({"anyOf": [TEXT]})


def test_enum_is_split_by_type() -> None:
    values = ["a", "a", 1, 2.5, None, True, {"b": 1}, [1]]
    split, notes = enum_options(values, [], string_only=False)
    assert split == [
        {"type": "string", "enum": ["a"]},
        {"type": "number", "enum": [1, 2.5]},
        {"type": "null"},
        {"type": "boolean"},
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}},
    ]
    assert notes == ["One of: true.", 'One of: {"b":1}.', "One of: [1]."]
    assert enum_options([1, "a"], ["number"], string_only=True) == (
        [{"type": "integer"}],
        ["One of: 1."],
    )
    assert enum_options([1], ["string"], string_only=False) == ([], [])


def test_null_is_taken_out() -> None:
    assert without_null([{"type": "null"}, TEXT]) == ([TEXT], True)
    assert without_null([TEXT]) == ([TEXT], False)
