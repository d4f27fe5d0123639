"""Finds where a thread's prompt differs from its preceding prompt: a provider's cache does not apply from there on.

Compares upstream requests of any protocol as digests: tools, instructions, then item by item. Cache breakpoints are
ignored, because they move from turn to turn. Never keeps content, and keeps only the most recent threads. Invariant:
total; a prompt that extends or shortens the preceding one has no difference.
"""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict

import orjson

from addons.core.frozen import turn_value
from addons.core.limits import MIB
from addons.core.protocols.request_body import decode

MAX_PROMPTS = 256
MAX_BODY_BYTES = 4 * MIB
"""Larger bodies are not compared: parsing one would delay the streams that run meanwhile."""
_HEADS = ("tools", "instructions", "system")
_ITEMS = ("input", "messages")
# Two patterns with a constant start: with an optional comma first, a search would try every byte.
_LATER_BREAKPOINT = re.compile(rb',"cache_control":\{[^{}]*\}')
_FIRST_BREAKPOINT = re.compile(rb'"cache_control":\{[^{}]*\},?')

Digests = array[int]
"""64 bits per item, because the prompts of hundreds of threads are held."""


@turn_value(frozen=True, slots=True)
class PromptDigest:
    """One prompt as digests: the fields before the items, by name, and the items in order."""

    heads: dict[str, int]
    items: Digests
    items_field: str
    """The name of the list of items in this protocol."""


def digest_prompt(body: bytes, content_encoding: bytes | None = None) -> PromptDigest | None:
    """Return the digests of a request body; None if it is not a prompt or is too large."""
    decoded = decode(body, content_encoding, MAX_BODY_BYTES)
    if not isinstance(decoded, bytes):
        return None
    try:
        payload = orjson.loads(decoded)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(payload, dict):
        return None
    for field in _ITEMS:
        items = payload.get(field)
        if isinstance(items, list):
            break
    else:
        return None
    names = [head for head in _HEADS if head in payload]
    try:
        parts = list(map(orjson.dumps, (*map(payload.get, names), *items)))
    except orjson.JSONEncodeError:
        # orjson parses deeper nesting than it writes.
        return None
    # not `in`: for one bytes in another it takes three times as long as `find`
    if decoded.find(b'"cache_control"') >= 0:
        parts = [
            _without_breakpoints(part) if b'"cache_control"' in part else part for part in parts
        ]
    # The builtin hash is keyed per process, and is five times as fast as hashlib.
    digests = array("q", map(hash, parts))
    heads = dict(zip(names, digests, strict=False))
    return PromptDigest(heads, digests[len(names) :], field)


def _without_breakpoints(part: bytes) -> bytes:
    return _FIRST_BREAKPOINT.sub(b"", _LATER_BREAKPOINT.sub(b"", part))


def first_difference(before: PromptDigest, after: PromptDigest) -> str:
    """Return the name of the first part that differs; empty if one prompt is a prefix of the other."""
    if before.heads != after.heads:
        return next(head for head in _HEADS if before.heads.get(head) != after.heads.get(head))
    common = min(len(before.items), len(after.items))
    if before.items[:common] == after.items[:common]:
        return ""
    index = next(at for at in range(common) if before.items[at] != after.items[at])
    return f"{after.items_field}[{index}]"


class PromptHistory:
    """The last prompt for each thread, model and first item."""

    def __init__(self, max_prompts: int = MAX_PROMPTS) -> None:
        self._max_prompts = max_prompts
        self._last: OrderedDict[tuple[str, str, int], PromptDigest] = OrderedDict()

    def difference(self, thread: str, model: str, prompt: PromptDigest) -> str:
        """Remember a prompt; return where it differs from the preceding one, empty if it does not."""
        if not prompt.items:
            return ""
        # Codex's auxiliary requests share the thread and start with another item; so does a compacted thread.
        key = (thread, model, prompt.items[0])
        before = self._last.pop(key, None)
        self._last[key] = prompt
        if len(self._last) > self._max_prompts:
            self._last.popitem(last=False)
        return first_difference(before, prompt) if before else ""
