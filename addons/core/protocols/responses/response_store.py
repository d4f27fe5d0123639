"""A bounded store of answers, for clients that refer to them instead of sending them again.

SDKs with the default `store` refer to earlier responses (`previous_response_id`) or items (`item_reference`), which
translated upstreams do not know. The store is in memory and evicts the least recently used response. Never keeps a turn
whose request says `store: false`, as Codex's do.

Source: OpenAI API reference, "Create a model response": previous_response_id, store, input items. Invariant: what is
restored equals what was stored; the stored bytes never exceed the limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from addons.core.errors import INVALID_PROMPT, Problem
from addons.core.json_values import JsonObject
from addons.core.limits import MIB
from addons.core.protocols.request_body import has_references, is_reference

MAX_BYTES = 64 * MIB
MAX_RESPONSES = 1000


@dataclass(frozen=True, slots=True)
class _Entry:
    previous: str | None
    input: bytes
    """The input items of the request, as JSON."""
    output: bytes
    item_ids: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.input) + len(self.output)


class ResponseStore:
    """Responses by id, and their items."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_responses: int = MAX_RESPONSES) -> None:
        self._max_bytes = max_bytes
        self._max_responses = max_responses
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._response_of: dict[str, str] = {}
        """Item id → the id of its response."""
        self.size = 0
        """The number of stored bytes."""

    def __len__(self) -> int:
        return len(self._entries)

    def resolve(self, payload: JsonObject) -> JsonObject | Problem:
        """Return the request with every reference replaced by its items; the same object if it has no reference."""
        if not has_references(payload):
            return payload
        previous, items = payload.get("previous_response_id"), payload.get("input")
        resolved = self._resolve_items(items)
        if isinstance(resolved, Problem):
            return resolved
        chain = self._chain(previous)
        if chain is None:
            return _not_stored("previous_response_id", previous)
        rest = {key: value for key, value in payload.items() if key != "previous_response_id"}
        return {**rest, "input": [*chain, *resolved]}

    def keep(self, payload: JsonObject, response: JsonObject) -> None:
        """Store a response with its request, unless the request says `store: false`."""
        response_id = response.get("id")
        if payload.get("store") is False or not isinstance(response_id, str):
            return
        items = self._resolve_items(payload.get("input"))
        if isinstance(items, Problem):
            return
        previous, output = payload.get("previous_response_id"), response.get("output")
        entry = _Entry(
            previous if isinstance(previous, str) else None,
            orjson.dumps(items),
            orjson.dumps(output),
            tuple(_item_ids(output)),
        )
        if entry.size <= self._max_bytes:
            self._put(response_id, entry)

    def _put(self, response_id: str, entry: _Entry) -> None:
        self._drop(response_id)
        self._entries[response_id] = entry
        self.size += entry.size
        self._response_of |= dict.fromkeys(entry.item_ids, response_id)
        while self.size > self._max_bytes or len(self._entries) > self._max_responses:
            self._drop(next(iter(self._entries)))

    def _drop(self, response_id: str) -> None:
        if entry := self._entries.pop(response_id, None):
            self.size -= entry.size
            for item_id in entry.item_ids:
                self._response_of.pop(item_id, None)

    def _chain(self, last: object) -> list[object] | None:
        """Return every item up to and including this response, oldest first; None if a response is missing."""
        links: list[_Entry] = []
        while last is not None:
            entry = self._entries.get(last) if isinstance(last, str) else None
            if entry is None:
                return None
            # The oldest response becomes the most recently used: it is evicted after those that refer to it.
            self._entries.move_to_end(str(last))
            links.append(entry)
            last = entry.previous
        items: list[object] = []
        for entry in reversed(links):
            items += orjson.loads(entry.input)
            items += orjson.loads(entry.output)
        return items

    def _resolve_items(self, value: object) -> list[object] | Problem:
        """Return the input as a list of items, each reference replaced by its item."""
        if isinstance(value, str):
            return [{"type": "message", "role": "user", "content": value}]
        items: list[object] = []
        for item in value if isinstance(value, list) else ():
            found = self._item(item["id"]) if is_reference(item) else item
            if found is None:
                return _not_stored("item_reference", item["id"])
            items.append(found)
        return items

    def _item(self, item_id: object) -> Any:
        response_id = self._response_of.get(item_id) if isinstance(item_id, str) else None
        if response_id is None:
            return None
        self._entries.move_to_end(response_id)
        output = orjson.loads(self._entries[response_id].output)
        return next(item for item in output if item.get("id") == item_id)


def _item_ids(output: object) -> Iterator[str]:
    for item in output if isinstance(output, list) else ():
        item_id = item.get("id")
        if isinstance(item_id, str):
            yield item_id


def _not_stored(what: str, name: object) -> Problem:
    quoted = ascii(name)[:100]
    return Problem(
        400,
        INVALID_PROMPT,
        f"codex-shim does not have {quoted} ({what}): it keeps recent answers in memory until it restarts. Send the "
        "whole history in `input`, with `store: false`.",
        "invalid_request_error",
    )
