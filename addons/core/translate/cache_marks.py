"""Where an Anthropic request is marked for prompt caching: `cache_control` on a few of its blocks.

Source: Anthropic, "Prompt caching": at most four breakpoints; a prefix is written at a breakpoint alone and is found
again at one, or up to twenty blocks before one. Never marks thinking (refused) nor what a later request replaces.
Invariant: adds the key `cache_control` to copies and changes nothing else, so what is cached is what was there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Block = dict[str, Any]
Message = dict[str, Any]

MARK = {"type": "ephemeral"}
MOST = 4
LOOK_BACK = 20
"""Blocks before a breakpoint in which the API searches for what it has."""
UNMARKABLE = frozenset({"thinking", "redacted_thinking"})

Place = tuple[int, int]
"""Of a block: its message, its position in it."""


def mark(
    tools: list[Block], system: list[Block], messages: list[Message], passing: int
) -> tuple[list[Block], list[Block], list[Message]]:
    """Mark the ends that the next request will find again.

    The last `passing` blocks of the messages are stand-ins that the next request may not have.
    """
    places = _places(messages, passing)
    room = MOST - len(places)
    if system and room:
        system = _marked(system, len(system) - 1)
        room -= 1
    if tools and room:
        tools = _marked(tools, len(tools) - 1)
    return tools, system, _marked_messages(messages, places)


def _places(messages: Sequence[Message], passing: int) -> list[Place]:
    """The last blocks of the last two user turns, and one in between when they lie far apart."""
    lasting = list(_blocks(messages))
    lasting = lasting[: len(lasting) - passing]
    ends: dict[int, int] = {}
    for order, (message, _) in enumerate(lasting):
        if messages[message]["role"] == "user":
            ends[message] = order
    last = list(ends.values())[-2:]
    if not last:
        return []
    start = last[0] if len(last) > 1 else -1
    between = _between(messages, lasting, start, last[-1])
    return [lasting[order] for order in (*last, *between)]


def _between(
    messages: Sequence[Message], lasting: Sequence[Place], start: int, end: int
) -> Sequence[int]:
    if end - start <= LOOK_BACK:
        return ()
    reach = range(start + LOOK_BACK, start, -1)
    kinds = ((order, lasting[order]) for order in reach)
    return [
        order for order, (at, of) in kinds if messages[at]["content"][of]["type"] not in UNMARKABLE
    ][:1]


def _blocks(messages: Sequence[Message]) -> Iterator[Place]:
    for number, message in enumerate(messages):
        for position in range(len(message["content"])):
            yield number, position


def _marked(blocks: list[Block], position: int) -> list[Block]:
    return [
        {**block, "cache_control": MARK} if number == position else block
        for number, block in enumerate(blocks)
    ]


def _marked_messages(messages: list[Message], places: Sequence[Place]) -> list[Message]:
    marked = list(messages)
    for number, position in places:
        content = _marked(marked[number]["content"], position)
        marked[number] = {**marked[number], "content": content}
    return marked
