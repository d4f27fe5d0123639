from __future__ import annotations

import pytest

from addons.core.protocols.schemas.sentences import (
    MAX_ADDED,
    MAX_VALUE,
    compact,
    described,
    sentence,
)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("minimum", 3, "At least 3."),
        ("enum", ["a", 1], 'One of: "a",1.'),
        ("format", "uri", "Format: uri."),
        ("uniqueItems", True, "No item twice."),
        ("uniqueItems", False, ""),
        ("additionalProperties", False, "No other properties."),
        ("additionalProperties", True, ""),
        ("additionalProperties", {"type": "string"}, 'Other properties: {"type":"string"}.'),
        ("title", "t", ""),
        ("x-order", 1, ""),
        ("unevaluatedItems", False, 'JSON schema: {"unevaluatedItems":false}.'),
    ],
)
def test_keyword_becomes_a_sentence(key: str, value: object, words: str) -> None:
    assert sentence(key, value) == words


def test_sentences_are_bounded() -> None:
    assert len(sentence("enum", ["x" * 5_000])) < MAX_VALUE + 50
    assert (
        len(str(described({}, [str(number) * 50 for number in range(900)])["description"]))
        == MAX_ADDED + 1
    )
    assert compact(object()) == "a nested value"


def test_sentences_follow_the_description_once() -> None:
    schema = described({"description": "D."}, ["At least 3.", "", "At least 3."])
    assert schema == {"description": "D. At least 3."}
    assert described(schema, ["At least 3."]) is schema
