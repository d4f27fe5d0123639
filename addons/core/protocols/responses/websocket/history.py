"""What one connection has said and received: the items that a frame with `previous_response_id` continues.

Codex sends only what is new behind the last response of a connection, and upstreams other than a WebSocket need the
whole history. The last response alone can be continued, because Codex refers to no other.

Source: frames of Codex 0.169 and 0.171. Never does: change an item. Invariant: what is kept never exceeds the limit, for
each connection and for all of them; a response that is not kept is unknown, at which Codex sends everything again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import compress

import orjson

from addons.core.errors import Problem
from addons.core.json_values import JsonDict, as_object, loads_exactly

NOT_FOUND = "previous_response_not_found"
"""Codex connects again and sends the whole history, without a message."""
ITEM_DONE, COMPLETED = "response.output_item.done", "response.completed"
_ITEM, _END = ITEM_DONE.encode(), COMPLETED.encode()
_COMPLETED = re.compile(
    rb'\{"type":"response\.completed",(?:"sequence_number":\d+,)?"response":\{"id":"([\w.-]+)"'
)
_NOTED = frozenset({_ITEM, _END, b""})
"""Names of events that are looked at. One without a name may be any."""


def not_found(previous: str) -> Problem:
    """Return the error for a response that this connection does not know."""
    return Problem(
        400,
        NOT_FOUND,
        f"codex-shim does not have the response {ascii(previous)[:100]} on this connection. "
        "Send the whole history in `input`, without `previous_response_id`.",
        "invalid_request_error",
    )


def _items(value: object) -> bytes | None:
    """Return the items of an input as JSON, without the brackets; None if it has none."""
    if isinstance(value, str):
        value = [{"type": "message", "role": "user", "content": value}]
    return orjson.dumps(value)[1:-1] if isinstance(value, list) else None


class Histories:
    """The histories of all connections. `max_bytes`: how much they may hold together."""

    def __init__(self, max_bytes: Callable[[], int]) -> None:
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[History, int] = OrderedDict()
        """Those that hold something, the one that was used last at the end."""
        self.size = 0
        """The number of bytes that all of them hold."""

    def note(self, history: History) -> None:
        """Note the size of a history that was just used. Those that were not used for longest make room for it."""
        self.size -= self._sizes.pop(history, 0)
        if size := history.size:
            self._sizes[history] = size
            self.size += size
        while self.size > self._max_bytes():
            longest_unused, size = self._sizes.popitem(last=False)
            self.size -= size
            longest_unused.release()


class History:
    """The last response of one connection, with everything that led to it."""

    __slots__ = ("_all", "_answered", "_asked", "_items", "_last", "_max_bytes", "size")

    def __init__(self, max_bytes: int, all_histories: Histories) -> None:
        self._max_bytes = max_bytes
        self._all = all_histories
        self.size = 0
        """The number of bytes that are kept."""
        self._last: str | None = None
        self._items = b""
        """The items behind the last response, itself included, as JSON with commas."""
        self._asked: bytes | None = None
        """The input of the turn under way, in the same form; None when it cannot be continued."""
        self._answered: list[bytes] = []

    def forget(self) -> None:
        """Forget all that is kept."""
        self.release()
        self._all.note(self)

    def release(self) -> None:
        """Forget all that is kept, at the wish of what bounds all histories."""
        self._last, self._items, self._asked, self._answered, self.size = None, b"", None, [], 0

    def _drop_turn(self) -> None:
        self._asked, self._answered = None, []
        self._resize(len(self._items))

    def _resize(self, size: int) -> None:
        if size == self.size == 0:
            return
        self.size = size
        self._all.note(self)

    def begin(self, payload: JsonDict, previous: str | None) -> bool:
        """Put the whole history into `input` of a turn that begins. Return False for an unknown response."""
        if self._asked is not None:
            self._drop_turn()
        if previous is not None and previous != self._last:
            return False
        given = payload.get("input", [] if previous else None)
        new = _items(given)
        if new is None:
            return previous is None
        if previous is not None:
            new = b",".join([part for part in (self._items, new) if part])
        if previous is not None or isinstance(given, list):
            # the body holds what was written here
            payload["input"] = orjson.Fragment(b"[%b]" % new)
        if len(new) <= self._max_bytes:
            self._asked = new
            self._resize(self.size + len(new))
        return True

    def note(self, payloads: Sequence[bytes], names: Sequence[bytes] = ()) -> None:
        """Note events of the answer, each as JSON. `names`: one for all of them, or one each, if they are known: few matter."""
        if self._asked is None or (names and _NOTED.isdisjoint(names)):
            return
        if len(names) != len(payloads):
            names = (b"",) * len(payloads)
        for payload in compress(payloads, map(_NOTED.__contains__, names)):
            self._note(payload)

    def _note(self, payload: bytes) -> None:
        if payload.endswith(b"}}") and (found := _COMPLETED.match(payload)):
            # nearly every end: the whole answer behind the id is not parsed. A client names no end that it could not read
            self._complete({"id": found[1].decode()})
            return
        # `in` takes ten times as long as `find`
        if payload.find(_ITEM) < 0 and payload.find(_END) < 0:
            return
        try:
            event = orjson.loads(payload)
        except orjson.JSONDecodeError:
            # it may be an item that a client reads: half of a surrogate pair is JSON to others
            self._drop_turn()
            return
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == ITEM_DONE and "item" in event:
            self._answer(event["item"], payload)
        elif kind == COMPLETED:
            self._complete(event.get("response"))

    def _answer(self, item: object, payload: bytes) -> None:
        if self._asked is None:
            return
        try:
            written = orjson.dumps(item)
            if not payload.endswith(b',"item":%b}' % written):
                # it was written in another form, or holds an integer that orjson has read as a float
                written = orjson.dumps(as_object(loads_exactly(payload)).get("item"))
        except orjson.JSONEncodeError:
            # orjson reads deeper nesting than it writes
            self._drop_turn()
            return
        self._answered.append(written)
        self._resize(self.size + len(written))
        if self.size - len(self._items) > self._max_bytes:
            self._drop_turn()

    def _complete(self, response: object) -> None:
        asked, answered = self._asked, self._answered
        response_id = response.get("id") if isinstance(response, dict) else None
        if asked is not None and isinstance(response_id, str):
            items = b",".join(part for part in (asked, *answered) if part)
            if len(items) <= self._max_bytes:
                self._last, self._items, self._asked, self._answered = response_id, items, None, []
                self._resize(len(items))
                return
        self.forget()
