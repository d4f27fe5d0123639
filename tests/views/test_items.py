"""Responses items as blocks."""

from __future__ import annotations

import pytest

from addons.views.items import block_of, content_text, part_label
from addons.views.page import Block
from tests.fakes.model_upstream import Json

TEXT = [{"type": "input_text", "text": "hi"}]


@pytest.mark.parametrize(
    ("item", "block"),
    [
        ({"type": "message", "role": "user", "content": TEXT}, Block("USER", "hi")),
        ({"role": "assistant", "content": "hi"}, Block("ASSISTANT", "hi")),
        ({"type": "message", "content": TEXT}, Block("MESSAGE", "hi")),
        ({"type": "message", "role": "system", "content": "hi"}, Block("SYSTEM", "hi", folded=True)),
        ({"type": "message", "role": "developer", "content": "hi"}, Block("DEVELOPER", "hi", folded=True)),
        ({"type": "function_call_output", "call_id": "c1", "output": "42"}, Block("RESULT · c1", "42")),
        ({"type": "custom_tool_call_output", "call_id": "c1", "output": TEXT}, Block("RESULT · c1", "hi")),
        ({"type": "function_call", "name": "f", "namespace": "n", "call_id": "c1", "arguments": '{"a":1}'}, Block("CALL n.f · c1", '{"a":1}', {"a": 1})),
        ({"type": "custom_tool_call", "name": "p", "call_id": "c1", "input": "*** Begin"}, Block("CALL p · c1", "*** Begin")),
        ({"type": "web_search_call", "id": "w1", "action": {"query": "q"}}, Block("CALL web_search_call · w1", "", {"query": "q"})),
        ({"type": "something_new", "weight": 3}, Block("SOMETHING_NEW", value={"weight": 3})),
        (7, Block("ITEM", value=7)),
    ],
)  # fmt: skip
def test_item_is_a_block(item: object, block: Block) -> None:
    assert block_of(item) == block


def test_reasoning_shows_its_texts_and_the_size_of_the_encrypted_part() -> None:
    item = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Think."}],
        "content": [{"type": "reasoning_text", "text": "More."}],
        "encrypted_content": "x" * 1234,
    }
    assert block_of(item) == Block("REASONING", "Think.\nMore.\n[encrypted: 1,234 characters]")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (["a", {"text": "b"}, {"refusal": "c"}], "a\nb\nc"),
        ({"type": "text", "text": "one"}, "one"),
        ([{"type": "input_image", "image_url": "data:image/png;base64,AA"}, 5], "[input_image: image/png 24 characters]\n[part]"),
        (None, ""),
        ([], ""),
    ],
)  # fmt: skip
def test_content_is_shown_as_text(content: object, text: str) -> None:
    assert content_text(content) == text


@pytest.mark.parametrize(
    ("part", "label"),
    [
        ({"type": "image", "source": {"media_type": "image/png", "data": "AAAA"}}, "[image: image/png 4 characters]"),
        ({"type": "image_url", "image_url": {"url": "https://x"}}, "[image_url: 9 characters]"),
        ({"type": "input_file", "file_id": "file-1"}, "[input_file: 6 characters]"),
        ({"type": "thing"}, "[thing]"),
    ],
)  # fmt: skip
def test_part_without_text_has_a_label(part: Json, label: str) -> None:
    assert part_label(part) == label
