"""Puts the values of placeholders back into an answer, however its text is split into deltas.

Each text of an answer comes several times: in deltas, in the `done` event of its text, of its part, of its item, and in the
event that ends the answer. A placeholder that is split between deltas is held until the next one. Never does: hold more
than a part of one placeholder for each text. Invariant: the deltas of a text, joined, are its `done` text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from addons.core.hooks.values import Event

_KEY = ("item_id", "output_index", "content_index", "summary_index")
_ARGUMENTS_DELTA = "function_call_arguments.delta"
Key = tuple[object, ...]


class PutBack:
    """Rewrites the events of one answer. `values`: placeholder → what stood in its place."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._in_json = {name: json.dumps(value)[1:-1] for name, value in values.items()}
        longest_first = sorted(values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._begins = {name[:length] for name in values for length in range(1, len(name))}
        self._longest = max(map(len, values), default=1) - 1
        self._held: dict[Key, Event] = {}
        """The delta whose end may be the begin of a placeholder."""

    def text(self, text: str) -> str:
        """Return a whole text with the values in it."""
        return self._pattern.sub(lambda found: self._values[found[0]], text)

    def __call__(self, event: Event) -> Event | list[Event]:
        """Return what follows from one event."""
        if not self._values:
            return event
        delta = event.data.get("delta")
        if event.type.endswith(".delta") and isinstance(delta, str):
            return self._on_delta(event, delta)
        whole = event.map_text(self.text)
        if not self._held or event.type.endswith(".added"):
            return whole
        released = [self._released(key) for key in list(self._held) if _ends(event, key)]
        return [*released, whole] if released else whole

    def _on_delta(self, event: Event, delta: str) -> Event | list[Event]:
        key = (event.type, *(event.data.get(name) for name in _KEY))
        before = self._held.pop(key, None)
        text = str(before.data["delta"]) + delta if before else delta
        kept = self._unfinished(text)
        ready = text[: len(text) - kept]
        if kept:
            self._held[key] = event.replace(delta=text[-kept:])
        if not ready:
            return []
        new = self._written(event, ready)
        return event if new == delta else event.replace(delta=new)

    def _released(self, key: Key) -> Event:
        held = self._held.pop(key)
        return held.replace(delta=self._written(held, str(held.data["delta"])))

    def _written(self, event: Event, text: str) -> str:
        values = self._in_json if event.type.endswith(_ARGUMENTS_DELTA) else self._values
        return self._pattern.sub(lambda found: values[found[0]], text)

    def _unfinished(self, text: str) -> int:
        """Return how many characters at the end may be the begin of a placeholder."""
        ended = 0
        for found in self._pattern.finditer(text):
            is_open = found.end() == len(text) and found[0] in self._begins
            ended = found.start() if is_open else found.end()
        longest = min(self._longest, len(text) - ended)
        return next((n for n in range(longest, 0, -1) if text[-n:] in self._begins), 0)


def _ends(event: Event, key: Key) -> bool:
    """Return whether no delta of this text follows the event."""
    if event.is_terminal:
        return True
    item_id = event.data.get("item_id") or event.item.get("id")
    is_same_index = event.data.get("output_index") == key[2]
    return event.type.endswith(".done") and (item_id == key[1] or is_same_index)
