"""Where a thread's prompt stopped being a continuation of itself: from there on a provider's cache helps no more.

Looks at what was sent upstream, in any dialect: tools, instructions, then item by item, each as a short digest. Cache
marks do not count: they move from turn to turn. Never does: keep content, or more than the last threads. Invariant:
total; a turn that only goes on, or goes back, breaks nothing.
"""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict
from dataclasses import dataclass

import orjson

from addons.core.limits import MIB
from addons.core.wire.peek import decode

MOST_SERIES = 256
LARGEST_BODY = 4 * MIB
"""A larger one is not looked at: to parse it would hold up what streams meanwhile."""
_HEADS = ("tools", "instructions", "system")
_ITEMS = ("input", "messages")
# Two, each with a fixed beginning: with an optional comma first, a search would try every byte.
_LATER_MARK = re.compile(rb',"cache_control":\{[^{}]*\}')
_FIRST_MARK = re.compile(rb'"cache_control":\{[^{}]*\},?')

Marks = array[int]
"""Of 64 bits each: the prompts of hundreds of threads are held."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """One prompt as digests: what comes before the items, by name, and the items in order."""

    heads: dict[str, int]
    items: Marks
    name: str
    """How the dialect calls its list of items."""


def prefix_of(body: bytes, content_encoding: bytes | None = None) -> Prefix | None:
    """Take the digests of a request body; None for what is no prompt."""
    decoded = decode(body, content_encoding, LARGEST_BODY)
    if not isinstance(decoded, bytes) or len(decoded) > LARGEST_BODY:
        return None
    try:
        payload = orjson.loads(decoded)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(payload, dict):
        return None
    name = next((one for one in _ITEMS if isinstance(payload.get(one), list)), None)
    if name is None:
        return None
    digest = _digest_without_marks if b'"cache_control"' in decoded else _digest
    try:
        heads = {head: digest(payload[head]) for head in _HEADS if head in payload}
        return Prefix(heads, array("q", map(digest, payload[name])), name)
    except orjson.JSONEncodeError:
        # what may be read may be nested more deeply than what can be written
        return None


def _digest(value: object) -> int:
    # keyed anew in each process, and five times as fast as a digest of hashlib
    return hash(orjson.dumps(value))


def _digest_without_marks(value: object) -> int:
    return hash(_FIRST_MARK.sub(b"", _LATER_MARK.sub(b"", orjson.dumps(value))))


def broken_at(before: Prefix, after: Prefix) -> str:
    """Name the first part that is not what it was; empty when the prompt goes on, or went back."""
    for head in _HEADS:
        if before.heads.get(head) != after.heads.get(head):
            return head
    pairs = zip(before.items, after.items, strict=False)
    at = next((at for at, (old, new) in enumerate(pairs) if old != new), None)
    return "" if at is None else f"{after.name}[{at}]"


class Prefixes:
    """The last prompt of each series: a thread's turns that ask one model and begin with the same item."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._last: OrderedDict[tuple[str, str, int], Prefix] = OrderedDict()

    def broke_at(self, thread: str, model: str, prefix: Prefix) -> str:
        """Say where this prompt breaks with the one before it, and remember it."""
        if not prefix.items:
            return ""
        # Codex's helper calls share the thread and begin differently; a compacted thread begins anew
        key = (thread, model, prefix.items[0])
        before = self._last.pop(key, None)
        self._last[key] = prefix
        if len(self._last) > self._most:
            self._last.popitem(last=False)
        return broken_at(before, prefix) if before else ""
