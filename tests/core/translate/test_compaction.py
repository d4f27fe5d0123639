from __future__ import annotations

import orjson
import pytest

from addons.core.translate.compaction import (
    REQUEST,
    ask_for_summary,
    compact_body,
    compaction_item,
    read_compaction,
)
from addons.core.translate.conversation import Conversation, Text, User


def test_our_item_is_read_back_as_text() -> None:
    text = read_compaction(compaction_item("what was done", "cmp_1"))
    assert text is not None
    assert text.endswith("what was done")


@pytest.mark.parametrize("content", ["gAAAAABo", None, 5, ""])
def test_a_foreign_item_is_not_read(content: object) -> None:
    assert read_compaction({"type": "compaction", "encrypted_content": content}) is None


def test_the_unary_answer_is_one_item() -> None:
    assert orjson.loads(compact_body("s", "cmp_1")) == {"output": [compaction_item("s", "cmp_1")]}


def test_the_summary_is_asked_for_last() -> None:
    before = Conversation((User((Text("hi"),)),))
    after = ask_for_summary(before)
    assert after.items == (*before.items, User((Text(REQUEST),)))
    assert after.wants_compaction
    assert after.choice.mode == "none"
