from __future__ import annotations

import pytest

from addons.core.protocols.schemas.finite import loosened
from tests.core.protocols.schemas.samples import Json

SELF: Json = {"$ref": "#/$defs/a"}


def node(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "object", "properties": {"next": SELF}},
        node(next={"anyOf": [SELF, {"type": "null"}]}),
        node(children={"type": "array", "items": SELF}),
    ],
)
def test_recursion_that_can_end_is_kept(definition: Json) -> None:
    assert loosened({"a": definition}) == {"a": definition}


@pytest.mark.parametrize(
    ("definition", "loose"),
    [
        (node(next=SELF), {"type": "object", "properties": {"next": SELF}}),
        ({"type": "array", "items": SELF, "minItems": 1}, {"type": "array", "items": SELF}),
        ({"anyOf": [SELF]}, {"type": "object"}),
        (
            {"anyOf": [node(next=SELF)]},
            {"anyOf": [{"type": "object", "properties": {"next": SELF}}]},
        ),
    ],
)
def test_requirement_without_an_end_is_left_out(definition: Json, loose: Json) -> None:
    assert loosened({"a": definition}) == {"a": loose}


def test_mutual_recursion_is_loosened() -> None:
    loose = loosened({"a": node(b={"$ref": "#/$defs/b"}, n={"type": "null"}), "b": node(a=SELF)})
    assert loose["a"]["required"] == ["n"]
    assert "required" not in loose["b"]
