from __future__ import annotations

import orjson
import pytest

from addons.core.protocols.canonical.conversation import Conversation, Text, User
from addons.core.protocols.responses.compaction import (
    REQUEST,
    compact_body,
    compaction_item,
    read_compaction,
    request_summary,
)
from addons.core.usage import Usage


def test_own_item_is_read_as_text() -> None:
    text = read_compaction(compaction_item("what was done", "cmp_1"))
    assert text is not None
    assert text.endswith("what was done")


@pytest.mark.parametrize("content", ["gAAAAABo", None, 5, ""])
def test_foreign_item_is_not_read(content: object) -> None:
    assert read_compaction({"type": "compaction", "encrypted_content": content}) is None


def test_unary_answer_has_one_item() -> None:
    item = compaction_item("s", "cmp_1")
    assert orjson.loads(compact_body("resp_1", 7, item, Usage(10, 4, 3, 0, 13, 2))) == {
        "id": "resp_1",
        "object": "response.compaction",
        "created_at": 7,
        "output": [item],
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 13,
        },
    }


def test_missing_counts_are_zero_in_the_unary_answer() -> None:
    usage = orjson.loads(compact_body("resp_1", 7, {}, None))["usage"]
    assert (usage["input_tokens"], usage["total_tokens"]) == (0, 0)


def test_request_for_the_summary_is_last() -> None:
    before = Conversation((User((Text("hi"),)),))
    after = request_summary(before)
    assert after.items == (*before.items, User((Text(REQUEST),)))
    assert after.wants_compaction
    assert after.choice.mode == "none"
