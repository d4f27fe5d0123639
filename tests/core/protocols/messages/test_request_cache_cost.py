"""The cost model of `tests.cost`, checked against sessions whose cost is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cost import chat_ratio, messages_ratio, session_ratio

MARK = {"cache_control": {"type": "ephemeral"}}
LONG = "x" * 40_000


def block(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **fields}


def body(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"max_tokens": 9, "messages": [{"role": "user", "content": list(blocks)}], **fields}


def test_marked_prefix_has_the_perfect_cost() -> None:
    first, again = body(block(LONG, **MARK)), body(block(LONG), block("more", **MARK))
    assert messages_ratio([first, again]) == pytest.approx(1.0)


def test_unmarked_prefix_is_paid_in_full() -> None:
    plain = [body(block(LONG)), body(block(LONG))]
    assert messages_ratio(plain) == pytest.approx(2 / 1.35, abs=0.01)


def test_changed_beginning_is_paid_again() -> None:
    one, other = body(block("a"), block(LONG, **MARK)), body(block("b"), block(LONG, **MARK))
    on = {"thinking": {"type": "adaptive"}}
    assert messages_ratio([one, other]) == pytest.approx(1.0)
    assert messages_ratio([one, {**one, **on}]) > 1.5
    assert messages_ratio([one, one]) == pytest.approx(1.0)


def test_breakpoint_finds_a_prefix_at_most_twenty_blocks_before_it() -> None:
    first = body(block(LONG, **MARK))
    near = body(block(LONG), *[block("y")] * 18, block("z", **MARK))
    far = body(block(LONG), *[block("y")] * 20, block("z", **MARK))
    assert messages_ratio([first, near]) == pytest.approx(1.0)
    assert messages_ratio([first, far]) > 1.5


def test_chat_caches_the_common_prefix_in_steps() -> None:
    one = {"messages": [{"role": "user", "content": LONG}]}
    more = {"messages": [*one["messages"], {"role": "user", "content": "more"}]}
    assert 1.0 <= chat_ratio([one, more]) < 1.02
    other = {"messages": [{"role": "user", "content": "b" + LONG}]}
    assert chat_ratio([one, other]) == pytest.approx(1.0, abs=0.01)
    assert session_ratio([one, more]) == chat_ratio([one, more])
