"""Blocks of a messages answer that nobody knows are told to be missing."""

from __future__ import annotations

import pytest

from addons.core.translate.events import Citation, Event, LeftOut, Stopped, StopReason, TextDelta
from addons.core.wire.left_out import MOST_LEFT_OUT
from tests.core.wire.messages_streams import closed, delta, end, opened, read, start, text


def test_a_block_of_an_unknown_kind_is_noted_once() -> None:
    blocks = [opened(number, "web_search_tool_result") + closed(number) for number in (0, 1)]
    assert read(start(), *blocks, text("a", index=2), end()) == [
        LeftOut("block 'web_search_tool_result' in the answer"),
        TextDelta("a"),
        Stopped(StopReason.END),
    ]


def test_of_many_unknown_kinds_the_first_are_noted() -> None:
    blocks = [opened(number, f"kind_{number}") + closed(number) for number in range(30)]
    noted = [event for event in read(start(), *blocks, end()) if isinstance(event, LeftOut)]
    assert len(noted) == MOST_LEFT_OUT


@pytest.mark.parametrize("kind", ["", "text", "thinking", "tool_use", "redacted_thinking"])
def test_a_block_that_is_read_is_not_missing(kind: str) -> None:
    events = read(start(), opened(0, kind) + closed(0), end())
    assert not any(isinstance(event, LeftOut) for event in events)


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"url": "https://a.example", "title": "A"}, Citation("https://a.example", "A")),
        ({"url": "u", "title": None}, Citation("u", "")),
        ({"type": "char_location"}, LeftOut("citation 'char_location' in the answer")),
    ],
)
def test_a_citation_of_a_page_is_given_on(given: dict[str, object], read_as: Event) -> None:
    cited = delta(0, "citations_delta", citation=given)
    assert read_as in read(start(), opened(0, "text", text="a"), cited, closed(0), end())
