from __future__ import annotations

from typing import Any

from addons.core.translate.cache_marks import LOOK_BACK, mark

Json = dict[str, Any]
TOOL = [{"name": "a"}, {"name": "b"}]
SYSTEM = [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]


def turn(role: str, *kinds: str) -> Json:
    return {"role": role, "content": [{"type": kind} for kind in kinds]}


def marked(messages: list[Json], passing: int = 0) -> list[tuple[int, int]]:
    _, _, written = mark(TOOL, SYSTEM, messages, passing)
    return [
        (number, place)
        for number, message in enumerate(written)
        for place, block in enumerate(message["content"])
        if "cache_control" in block
    ]


def test_the_ends_of_the_last_two_user_turns_the_system_and_the_tools() -> None:
    said = [turn("user", "text", "text"), turn("assistant", "text"), turn("user", "text")]
    assert marked([*said, turn("assistant", "text"), turn("user", "text", "image")]) == [
        (2, 0),
        (4, 1),
    ]
    tools, system, _ = mark(TOOL, SYSTEM, said, 0)
    assert ["cache_control" in block for block in (*tools, *system)] == [False, True, False, True]


def test_what_a_later_request_replaces_is_not_marked() -> None:
    said = [turn("user", "text"), turn("assistant", "tool_use"), turn("user", "tool_result")]
    assert marked(said, passing=1) == [(0, 0)]
    assert marked([turn("user", "text")], passing=1) == []


def test_a_wide_turn_is_marked_in_between_but_not_on_thinking() -> None:
    wide = ["thinking", *["tool_use"] * (LOOK_BACK - 2), "thinking", "tool_use"]
    said = [turn("user", "text"), turn("assistant", *wide), turn("user", *["tool_result"] * 20)]
    places = marked(said)
    # Twenty blocks after the first end there is thinking: the one before it is marked.
    assert places == [(0, 0), (1, LOOK_BACK - 2), (2, 19)]
    tools, system, _ = mark(TOOL, SYSTEM, said, 0)
    assert "cache_control" in system[-1]
    assert not any("cache_control" in tool for tool in tools)


def test_a_turn_that_is_not_wide_has_no_third_mark() -> None:
    said = [turn("user", "text"), turn("assistant", "text"), turn("user", *["text"] * 19)]
    assert marked(said) == [(0, 0), (2, 18)]


def test_nothing_of_the_given_is_changed() -> None:
    said = [turn("user", "text")]
    mark(TOOL, SYSTEM, said, 0)
    assert "cache_control" not in str((TOOL, SYSTEM, said))
