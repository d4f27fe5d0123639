"""What the output of a translated stream quotes of its upstream: nearly all of that output is the product's own.

The mask of echoes searches these texts in place of the output. Never does: mask, or see what the emitter writes.
Invariant: an echo that stands in one text of the output stands in one of the quotes, or in the quotes of one read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Any

import orjson

from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)

QUOTED: Mapping[type[Event], Callable[[Any], str]] = {
    TextDelta: lambda event: event.text,
    RefusalDelta: lambda event: event.text,
    ReasoningDelta: lambda event: event.text,
    ReasoningDone: lambda event: event.opaque or "",
    Citation: lambda event: f"{event.url}\n{event.title}",
    Omitted: lambda event: f"{event.what}\n{event.note}",
    ToolCallStart: lambda event: f"{event.call_id}\n{event.name}\n{event.namespace}",
    ToolCallDelta: lambda event: event.arguments,
    Failed: lambda event: f"{event.problem.code}\n{event.problem.message}",
}
"""Event → what it quotes of the upstream. The other events hold no text."""


class Quotes:
    """The quotes of one stream.

    The text of a delta is quoted as it is: what is spread over several of them cannot be masked in any, and is found when
    its item is complete, which repeats the whole text.
    """

    __slots__ = ("_events", "_items")

    def __init__(self) -> None:
        self._events: list[Event] = []
        """The events since the last call of `take`."""
        self._items = 0
        """Complete items that were quoted."""

    def add(self, events: Iterable[Event]) -> None:
        """Note events that were emitted."""
        self._events += events

    def take(self, items: Collection[JsonDict]) -> str:
        """Return the texts in what was emitted since the last call. `items`: all that are complete by now."""
        events, self._events = self._events, []
        if len(events) == 1 and type(events[0]) is TextDelta and len(items) == self._items:
            # nearly every read
            return events[0].text
        texts = [
            event.text if type(event) is TextDelta else QUOTED.get(type(event), _no_text)(event)
            for event in events
        ]
        if len(items) == self._items:
            return "\n".join(texts)
        texts += (orjson.dumps(item).decode() for item in islice(items, self._items, None))
        self._items = len(items)
        return "\n".join(texts)


def _no_text(_event: Event) -> str:
    return ""
