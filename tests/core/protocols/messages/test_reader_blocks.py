"""Unknown content blocks and citations of a messages answer."""

from __future__ import annotations

import pytest

from addons.core.protocols.canonical.events import (
    MAX_UNKNOWN_FIELDS,
    Citation,
    Event,
    Omitted,
    Stopped,
    StopReason,
    TextDelta,
)
from tests.core.protocols.messages.streams import closed, delta, end, opened, read, start, text


def test_unknown_block_is_noted_once() -> None:
    blocks = [opened(number, "web_search_tool_result") + closed(number) for number in (0, 1)]
    assert read(start(), *blocks, text("a", index=2), end()) == [
        Omitted("block 'web_search_tool_result' in the answer"),
        TextDelta("a"),
        Stopped(StopReason.END),
    ]


def test_number_of_noted_blocks_is_limited() -> None:
    blocks = [opened(number, f"kind_{number}") + closed(number) for number in range(30)]
    noted = [event for event in read(start(), *blocks, end()) if isinstance(event, Omitted)]
    assert len(noted) == MAX_UNKNOWN_FIELDS


@pytest.mark.parametrize("kind", ["", "text", "thinking", "tool_use", "redacted_thinking"])
def test_known_block_is_not_noted(kind: str) -> None:
    events = read(start(), opened(0, kind) + closed(0), end())
    assert not any(isinstance(event, Omitted) for event in events)


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ({"url": "https://a.example", "title": "A"}, Citation("https://a.example", "A")),
        ({"url": "u", "title": None}, Citation("u", "")),
        ({"type": "char_location"}, Omitted("citation 'char_location' in the answer")),
    ],
)
def test_citation_of_a_page_is_passed_on(given: dict[str, object], read_as: Event) -> None:
    cited = delta(0, "citations_delta", citation=given)
    assert read_as in read(start(), opened(0, "text", text="a"), cited, closed(0), end())
