from __future__ import annotations

from addons.core.json_values import JsonDict
from addons.core.protocols.messages.blocks import LOOK_BACK, mark_for_caching

TOOL = [{"name": "a"}, {"name": "b"}]
SYSTEM = [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]


def turn(role: str, *kinds: str) -> JsonDict:
    return {"role": role, "content": [{"type": kind} for kind in kinds]}


def marked(messages: list[JsonDict], provisional: int = 0) -> list[tuple[int, int]]:
    _, _, written = mark_for_caching(TOOL, SYSTEM, messages, provisional)
    return [
        (number, index)
        for number, message in enumerate(written)
        for index, block in enumerate(message["content"])
        if "cache_control" in block
    ]


def test_ends_of_the_last_two_user_turns_the_system_and_the_tools_are_marked() -> None:
    messages_sent = [turn("user", "text", "text"), turn("assistant", "text"), turn("user", "text")]
    assert marked([*messages_sent, turn("assistant", "text"), turn("user", "text", "image")]) == [
        (2, 0),
        (4, 1),
    ]
    tools, system, _ = mark_for_caching(TOOL, SYSTEM, messages_sent, 0)
    assert ["cache_control" in block for block in (*tools, *system)] == [False, True, False, True]


def test_provisional_block_is_not_marked() -> None:
    messages_sent = [
        turn("user", "text"),
        turn("assistant", "tool_use"),
        turn("user", "tool_result"),
    ]
    assert marked(messages_sent, provisional=1) == [(0, 0)]
    assert marked([turn("user", "text")], provisional=1) == []


def test_long_turn_has_a_third_mark_that_is_not_on_thinking() -> None:
    wide = ["thinking", *["tool_use"] * (LOOK_BACK - 2), "thinking", "tool_use"]
    messages_sent = [
        turn("user", "text"),
        turn("assistant", *wide),
        turn("user", *["tool_result"] * 20),
    ]
    places = marked(messages_sent)
    # The block twenty blocks after the first mark is thinking, so the one before it is marked.
    assert places == [(0, 0), (1, LOOK_BACK - 2), (2, 19)]
    tools, system, _ = mark_for_caching(TOOL, SYSTEM, messages_sent, 0)
    assert "cache_control" in system[-1]
    assert not any("cache_control" in tool for tool in tools)


def test_short_turn_has_no_third_mark() -> None:
    messages_sent = [turn("user", "text"), turn("assistant", "text"), turn("user", *["text"] * 19)]
    assert marked(messages_sent) == [(0, 0), (2, 18)]


def test_arguments_are_not_modified() -> None:
    messages_sent = [turn("user", "text")]
    mark_for_caching(TOOL, SYSTEM, messages_sent, 0)
    assert "cache_control" not in str((TOOL, SYSTEM, messages_sent))
