"""A bounded memory of what we answered, for clients that send only what is new.

SDKs whose `store` is left at its default name earlier responses (`previous_response_id`) or items (`item_reference`)
instead of sending them again; our upstreams know neither. In memory only, gone with the process, and the least
recently used goes first. Never keeps a turn whose client said `store: false`, as Codex does.

Source: OpenAI API reference, "Create a model response": previous_response_id, store, input items.
Invariant: what is given back is what was kept, byte for byte; the bytes kept never pass the limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from addons.core.errors import Problem
from addons.core.limits import MIB

Json = Mapping[str, object]

MOST_BYTES = 64 * MIB
MOST_RESPONSES = 1000


@dataclass(frozen=True, slots=True)
class _Kept:
    previous: str | None
    given: bytes
    """The input items that came with the request, as JSON."""
    output: bytes
    item_ids: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.given) + len(self.output)


class Memory:
    """Responses by id, and the items in them."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_responses: int = MOST_RESPONSES) -> None:
        self._most_bytes = most_bytes
        self._most_responses = most_responses
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._homes: dict[str, str] = {}
        """Item id → the response that it is in."""
        self.size = 0
        """Bytes kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def resolve(self, payload: Json) -> Json | Problem:
        """Give the request with everything that it refers to in its input; itself when it refers to nothing."""
        previous, given = payload.get("previous_response_id"), payload.get("input")
        if previous is None and not _refers(given):
            return payload
        items = self._items(given)
        if isinstance(items, Problem):
            return items
        chain = self._chain(previous)
        if chain is None:
            return _forgotten("previous_response_id", previous)
        rest = {key: value for key, value in payload.items() if key != "previous_response_id"}
        return {**rest, "input": [*chain, *items]}

    def keep(self, payload: Json, response: Json) -> None:
        """Remember an answer together with what was asked, unless the client wants nothing stored."""
        response_id = response.get("id")
        if payload.get("store") is False or not isinstance(response_id, str):
            return
        items = self._items(payload.get("input"))
        if isinstance(items, Problem):
            return
        previous, output = payload.get("previous_response_id"), response.get("output")
        kept = _Kept(
            previous if isinstance(previous, str) else None,
            orjson.dumps(items),
            orjson.dumps(output),
            tuple(_ids(output)),
        )
        if kept.size <= self._most_bytes:
            self._put(response_id, kept)

    def _put(self, response_id: str, kept: _Kept) -> None:
        self._drop(response_id)
        self._kept[response_id] = kept
        self.size += kept.size
        self._homes |= dict.fromkeys(kept.item_ids, response_id)
        while self.size > self._most_bytes or len(self._kept) > self._most_responses:
            self._drop(next(iter(self._kept)))

    def _drop(self, response_id: str) -> None:
        if kept := self._kept.pop(response_id, None):
            self.size -= kept.size
            for item_id in kept.item_ids:
                self._homes.pop(item_id, None)

    def _chain(self, last: object) -> list[object] | None:
        """Every item up to and with this response, the oldest first; None when a link is missing."""
        links: list[_Kept] = []
        while last is not None:
            kept = self._kept.get(last) if isinstance(last, str) else None
            if kept is None:
                return None
            # Walked from the newest to the oldest, so that the root of a chain outlives its leaves.
            self._kept.move_to_end(str(last))
            links.append(kept)
            last = kept.previous
        items: list[object] = []
        for kept in reversed(links):
            items += orjson.loads(kept.given)
            items += orjson.loads(kept.output)
        return items

    def _items(self, given: object) -> list[object] | Problem:
        """The input as a list of items, each reference replaced by what it refers to."""
        if isinstance(given, str):
            return [{"type": "message", "role": "user", "content": given}]
        items: list[object] = []
        for item in given if isinstance(given, list) else ():
            found = self._item(item["id"]) if _is_reference(item) else item
            if found is None:
                return _forgotten("item_reference", item["id"])
            items.append(found)
        return items

    def _item(self, item_id: object) -> Any:
        home = self._homes.get(item_id) if isinstance(item_id, str) else None
        if home is None:
            return None
        self._kept.move_to_end(home)
        output = orjson.loads(self._kept[home].output)
        return next(item for item in output if item.get("id") == item_id)


def _is_reference(item: object) -> bool:
    # The type may be left out: an object that has nothing but an id refers to an item.
    if not isinstance(item, dict) or "id" not in item:
        return False
    return item.get("type") == "item_reference" or item.keys() == {"id"}


def _refers(given: object) -> bool:
    return isinstance(given, list) and any(_is_reference(item) for item in given)


def _ids(output: object) -> Iterator[str]:
    for item in output if isinstance(output, list) else ():
        item_id = item.get("id")
        if isinstance(item_id, str):
            yield item_id


def _forgotten(what: str, name: object) -> Problem:
    quoted = ascii(name)[:100]
    return Problem(
        400,
        "invalid_prompt",
        f"codex-shim does not have {quoted} ({what}): it keeps the last answers in memory only, and forgets them when "
        "it restarts. Send the whole history in `input`, with `store: false`.",
        "invalid_request_error",
    )
