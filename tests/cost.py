"""The cost of a session in prompt tokens, computed from the request bodies that its upstream received, in either protocol.

Rules as the providers publish them. Anthropic ("Prompt caching"): order tools, system, messages; written at a
breakpoint and found at one or up to twenty blocks before it, from 1,024 tokens; read 0.1, write 1.25, else 1. OpenAI
("Prompt caching"): the longest common prefix of what was sent before, from 1,024 tokens in steps of 128; read 0.1.
Tokens are estimated, four bytes each, so a figure is the same on every machine. 1.00 is what a session would cost
that reads everything which it has sent before, and writes the rest once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

READ, WRITE = 0.1, 1.25
UNCHANGED = {"thinking": None, "tool_choice": None}
LEAST, STEP, LOOK_BACK = 1024, 128, 20
BYTES_PER_TOKEN = 4

Json = dict[str, Any]
Units = list[tuple[str, bool]]
"""The parts of a request in the order of caching, and whether each has a breakpoint."""


def session_ratio(bodies: Sequence[Json]) -> float:
    """Return the cost of a session relative to perfect caching."""
    messages = any(("max_tokens" in body and "system" in body) or _marked(body) for body in bodies)
    return messages_ratio(bodies) if messages else chat_ratio(bodies)


def messages_ratio(bodies: Sequence[Json]) -> float:
    """Return the relative cost of a session of Anthropic messages."""
    stored: set[tuple[str, ...]] = set()
    paid, perfect = 0.0, 0.0
    seen: list[tuple[str, ...]] = []
    for body in bodies:
        units = _messages_units(body)
        texts = tuple(text for text, _ in units)
        sizes = _running([_tokens(text) for text in texts])
        marks = [order + 1 for order, (_, mark) in enumerate(units) if mark]
        read = _found(texts, sizes, marks, stored)
        written = max((mark for mark in marks if sizes[mark] >= LEAST), default=0)
        written = max(written, read)
        stored |= {texts[:mark] for mark in marks if sizes[mark] >= LEAST}
        paid += READ * sizes[read] + WRITE * (sizes[written] - sizes[read])
        paid += sizes[-1] - sizes[written]
        prefix = tuple(text for text, _ in _messages_units({**body, **UNCHANGED}))
        perfect += _perfect(prefix, sizes, seen, WRITE)
        seen.append(prefix)
    return paid / perfect


def chat_ratio(bodies: Sequence[Json]) -> float:
    """Return the relative cost of a session of chat completions."""
    seen: list[str] = []
    paid, perfect = 0.0, 0.0
    for body in bodies:
        text = _dump([body.get("tools", []), body["messages"]])
        common = max((_common(text, before) for before in seen), default=0)
        shared, total = common / BYTES_PER_TOKEN, len(text) / BYTES_PER_TOKEN
        cached = shared // STEP * STEP if shared >= LEAST else 0.0
        paid += READ * cached + total - cached
        perfect += READ * shared + total - shared
        seen.append(text)
    return paid / perfect


def _found(
    texts: tuple[str, ...], sizes: list[int], marks: list[int], stored: set[tuple[str, ...]]
) -> int:
    """Return the length of the longest cached prefix, at most twenty blocks before a breakpoint."""
    for mark in sorted(marks, reverse=True):
        for end in range(mark, max(mark - LOOK_BACK, 0), -1):
            if sizes[end] >= LEAST and texts[:end] in stored:
                return end
    return 0


def _perfect(
    texts: tuple[str, ...], sizes: list[int], seen: list[tuple[str, ...]], write: float
) -> float:
    common = max((_common(texts, before) for before in seen), default=0)
    return READ * sizes[common] + write * (sizes[-1] - sizes[common])


def _messages_units(body: Json) -> Units:
    # Thinking and a forced tool change the cached prefix before the messages.
    head = _dump([body.get("tool_choice"), body.get("thinking")])
    units = [_unit("tool", tool) for tool in body.get("tools", [])]
    units += [_unit("system", block) for block in body.get("system") or []]
    for number, message in enumerate(body["messages"]):
        role = f"{message['role']}{number}{head}"
        units += [_unit(role, block) for block in message["content"]]
    return units


def _unit(place: str, block: Json) -> tuple[str, bool]:
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    return f"{place}\n{_dump(bare)}", "cache_control" in block


def _tokens(unit: str) -> int:
    return len(unit.partition("\n")[2]) // BYTES_PER_TOKEN + 1


def _running(sizes: Sequence[int]) -> list[int]:
    sums = [0]
    for size in sizes:
        sums.append(sums[-1] + size)
    return sums


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the common prefix, by bisection: bodies have megabytes."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _marked(body: Json) -> bool:
    return "cache_control" in _dump(body)


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)
