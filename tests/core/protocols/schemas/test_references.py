from __future__ import annotations

import pytest

from addons.core.protocols.schemas.references import References
from tests.core.protocols.schemas.samples import Json

TEXT: Json = {"type": "string"}
ROOT: Json = {
    "$id": "https://example.com/root.json",
    "properties": {
        "a/b": {"items": [TEXT]},
        "own": {"definitions": {"inner": TEXT}},
        "anchored": {"$anchor": "here", **TEXT},
    },
    "$defs": {
        "one": {"$ref": "#/$defs/two"},
        "two": TEXT,
        "loop": {"$ref": "#/$defs/pool"},
        "pool": {"$ref": "#/$defs/loop"},
        "item": {"$id": "https://example.com/item.json", **TEXT},
    },
}


@pytest.mark.parametrize(
    "reference",
    ["#/$defs/two", "#/$defs/one", "#/properties/a~1b/items/0", "#/properties/a%2Fb/items/0", "#/definitions/inner",
     "#here", "https://example.com/item.json", "item.json", "item.json#", "https://example.com/root.json#/$defs/two"],
)  # fmt: skip
def test_reference_is_found(reference: str) -> None:
    found = References(ROOT).target(reference)
    assert found
    assert found[1]["type"] == "string"


@pytest.mark.parametrize(
    "reference",
    ["#/$defs/none", "#/$defs/loop", "#/properties/a~1b/items/7", "#/properties/a~1b/items/x", "#gone", "other.json", "#/$id"],
)  # fmt: skip
def test_undefined_reference_is_none(reference: str) -> None:
    assert References(ROOT).target(reference) is None


def test_root_refers_to_itself() -> None:
    assert References(ROOT).target("#") == ("#", ROOT)


def test_names_are_legal_and_unique() -> None:
    references = References(ROOT)
    names = [
        references.name(key) for key in ("#/$defs/A<b>", "#/definitions/A(b)", "#", "#/$defs/A<b>")
    ]
    assert names == ["A_b", "A_b_2", "root", "A_b"]
