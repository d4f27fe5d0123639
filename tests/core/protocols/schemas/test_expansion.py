from __future__ import annotations

import pytest

from addons.core.protocols.schemas.expansion import Expander
from tests.core.protocols.schemas.samples import Json

ROOT: Json = {
    "$defs": {
        "text": {"type": "string", "minLength": 1},
        "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
    }
}


def expander(*, keeps: bool) -> Expander:
    return Expander(ROOT, keeps_references=keeps)


def test_reference_is_kept_with_its_description() -> None:
    kept = expander(keeps=True)
    found = kept.expand({"$ref": "#/$defs/text", "description": "d", "default": "x"}, ())
    assert found.schema == {"$ref": "#/$defs/text", "description": "d"}
    assert (found.is_reference, found.notes) == (True, ['Default: "x".'])
    assert list(kept.needed) == ["#/$defs/text"]


@pytest.mark.parametrize("keeps", [True, False])
def test_siblings_of_a_reference_stay_in_force(keeps: bool) -> None:
    found = expander(keeps=keeps).expand({"$ref": "#/$defs/text", "minLength": 5}, ())
    assert found.schema == {"type": ["string"], "minLength": 5}
    assert found.stack == ("#/$defs/text",)


def test_recursion_ends_with_a_note() -> None:
    found = expander(keeps=False).expand({"$ref": "#/$defs/node"}, ("#/$defs/node",))
    assert found.schema == {"type": ["object"]}
    assert found.is_cut
    assert found.notes == ["Built like node, which it is a part of."]


def test_recursive_reference_drops_its_siblings() -> None:
    found = expander(keeps=True).expand(
        {"$ref": "#/$defs/node", "maxProperties": 2}, ("#/$defs/node",)
    )
    assert found.schema == {"$ref": "#/$defs/node"}
    assert found.notes == ["At most 2 properties."]


def test_combinations_are_written_out() -> None:
    parts = [{"$ref": "#/$defs/text"}, {"oneOf": [{"maxLength": 2}]}, {"allOf": [{"pattern": "x"}]}]
    found = expander(keeps=True).expand({"allOf": parts}, ())
    assert found.schema == {
        "type": ["string"],
        "minLength": 1,
        "anyOf": [{"maxLength": 2}],
        "pattern": "x",
    }
    both = expander(keeps=True).expand({"anyOf": [{}], "oneOf": [{"title": "t"}]}, ())
    assert both.schema == {"anyOf": [{}]}
    assert both.notes == ['JSON schema: {"oneOf":[{"title":"t"}]}.']


def test_missing_definition_is_noted() -> None:
    found = expander(keeps=True).expand({"$ref": "#/$defs/gone"}, ())
    assert found.notes == ["The definition #/$defs/gone is missing."]


def test_endless_nesting_ends() -> None:
    nested: Json = {"title": "t"}
    for _ in range(300):
        nested = {"allOf": [nested, {}]}
    assert expander(keeps=True).expand(nested, ()).is_cut
