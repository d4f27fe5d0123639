"""A Responses stream, or a whole response object, as what was said. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.usage import Usage
from addons.core.values import obj, string
from addons.views.items import block_of
from addons.views.page import Block
from addons.views.quota import event_lines
from addons.views.reading import Json
from addons.views.said import Passage, Said

ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})
DELTA, DONE = ".delta", "response.output_item.done"
FACTS = ("id", "model", "service_tier")


class ResponsesReader:
    """Reads events whose type begins with `response.` or `codex.`."""

    def __init__(self) -> None:
        self.said = Said()
        self._items: dict[object, object] = {}
        """Output index → the item as it was last told of."""
        self._parts: dict[object, list[str]] = {}
        self._done: set[object] = set()
        self._output: object = None

    def event(self, event: Json, name: str) -> None:
        """Take note of one event."""
        kind = string(event.get("type")) or name
        self.said.events[kind] += 1
        index = _key(event)
        if kind.startswith("response.output_item."):
            self._items[index] = event.get("item")
            if kind == DONE:
                self._done.add(index)
        elif kind.endswith(DELTA):
            self._parts.setdefault(index, []).append(string(event.get("delta")))
        elif kind == "codex.rate_limits":
            self.said.quota += event_lines(event)
        self.response(obj(event.get("response")))
        if kind in ENDS:
            self.said.ended = kind
            self._failed(event, kind)

    def response(self, response: Json) -> None:
        """Take note of a response object."""
        for key in FACTS:
            if value := string(response.get(key)):
                self.said.facts[key] = value
        self.said.usage = Usage.of(response.get("usage")) or self.said.usage
        self._output = response.get("output") or self._output
        if error := response.get("error") or response.get("incomplete_details"):
            self.said.error = error

    def _failed(self, event: Json, kind: str) -> None:
        if kind == "error":
            self.said.error = event.get("error") or dict(event)

    def blocks(self) -> Iterator[Block]:
        """The items, in the order in which they began."""
        keys = list(dict.fromkeys([*self._items, *self._parts]))
        if not keys and isinstance(self._output, list):
            yield from map(block_of, self._output)
        for key in keys:
            item = self._items.get(key)
            if key in self._done:
                yield block_of(item)
            else:
                yield self._unfinished(block_of(item or {}), key)

    def _unfinished(self, begun: Block, key: object) -> Block:
        said = Passage(
            f"{begun.title} (not finished)", self._parts.get(key, []), is_call=True
        ).block()
        return said if said.text else Block(said.title, begun.text, begun.value)


def _key(event: Json) -> object:
    index = event.get("output_index")
    return index if isinstance(index, int | str) else string(event.get("item_id"))
