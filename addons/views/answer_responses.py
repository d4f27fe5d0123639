"""Read a Responses stream, or a whole response object, for a view. Total."""

from __future__ import annotations

from collections.abc import Iterator

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.usage import Usage
from addons.views.answer import AnswerContent, OpenBlock
from addons.views.items import block_of
from addons.views.page import Block
from addons.views.quota import event_lines

TERMINAL_TYPES = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "error"}
)
DELTA, DONE = ".delta", "response.output_item.done"
FACTS = ("id", "model", "service_tier")


class ResponsesReader:
    """Reads events whose type begins with `response.` or `codex.`."""

    def __init__(self) -> None:
        self.content = AnswerContent()
        self._items: dict[object, object] = {}
        """Output index → the last version of the item."""
        self._deltas: dict[object, list[str]] = {}
        self._done: set[object] = set()
        self._output: object = None

    def event(self, event: JsonObject, name: str) -> None:
        """Read one event."""
        kind = as_str(event.get("type")) or name
        self.content.events[kind] += 1
        index = _key(event)
        if kind.startswith("response.output_item."):
            self._items[index] = event.get("item")
            if kind == DONE:
                self._done.add(index)
        elif kind.endswith(DELTA):
            self._deltas.setdefault(index, []).append(as_str(event.get("delta")))
        elif kind == "codex.rate_limits":
            self.content.quota += event_lines(event)
        self.response(as_object(event.get("response")))
        if kind in TERMINAL_TYPES:
            self.content.ended = kind
        if kind == "error":
            self.content.error = event.get("error") or dict(event)

    def response(self, response: JsonObject) -> None:
        """Read a response object."""
        for key in FACTS:
            if value := as_str(response.get(key)):
                self.content.facts[key] = value
        self.content.usage = Usage.of(response.get("usage")) or self.content.usage
        self._output = response.get("output") or self._output
        if error := response.get("error") or response.get("incomplete_details"):
            self.content.error = error

    def blocks(self) -> Iterator[Block]:
        """Yield the items in the order in which they began."""
        keys = list(dict.fromkeys([*self._items, *self._deltas]))
        if not keys and isinstance(self._output, list):
            yield from map(block_of, self._output)
        for key in keys:
            item = self._items.get(key)
            if key in self._done:
                yield block_of(item)
            else:
                yield self._unfinished(block_of(item or {}), key)

    def _unfinished(self, added: Block, key: object) -> Block:
        title = f"{added.title} (not finished)"
        streamed = OpenBlock(title, self._deltas.get(key, []), is_call=True).block()
        return streamed if streamed.text else Block(title, added.text, added.value)


def _key(event: JsonObject) -> object:
    index = event.get("output_index")
    return index if isinstance(index, int | str) else as_str(event.get("item_id"))
