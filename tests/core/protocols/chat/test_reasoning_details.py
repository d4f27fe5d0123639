"""OpenRouter's reasoning details: what is visible, and what the fragments of a stream make up."""

from __future__ import annotations

from addons.core.protocols.chat.reasoning_details import merged_details, visible_details


def test_text_of_details_takes_precedence_over_the_summary() -> None:
    assert visible_details([{"text": "a", "summary": "b"}]) == "a"


def test_fragments_of_an_index_become_one_object() -> None:
    fragments: list[object] = [
        {"type": "reasoning.text", "index": 0, "text": "a", "signature": None},
        {"type": "reasoning.encrypted", "index": 1, "data": "x"},
        {"type": "reasoning.text", "index": 0, "text": "b"},
        {"type": "reasoning.encrypted", "index": 1, "data": "y"},
        {"type": "reasoning.text", "index": 0, "signature": "s", "text": None},
    ]
    before = str(fragments)
    assert merged_details(fragments) == [
        {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "xy"},
    ]
    assert str(fragments) == before


def test_objects_of_two_types_and_without_an_index_stay_apart() -> None:
    whole: list[object] = [
        {"type": "reasoning.summary", "index": 0, "summary": "a"},
        {"type": "reasoning.encrypted", "index": 0, "data": "x"},
        {"type": "reasoning.text", "text": "b"},
        {"type": "reasoning.text", "text": "b"},
        "odd",
    ]
    assert merged_details(whole) == whole
