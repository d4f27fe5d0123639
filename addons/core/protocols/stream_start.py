"""The begin of an event stream: whether it is an answer, or the refusal of a request that came with status 200.

ChatGPT, gateways and compatible servers report a used-up limit also in the first event after those that hold nothing of an
answer: as `response.failed`, as `error`, or as an object with `error`.

Sources: OpenAI API reference, "Responses: streaming events"; Soju06/codex-lb#2068, raine/claude-code-proxy#139. Never raises on
any input. Invariant: any split of the bytes into reads gives the same result.
"""

from __future__ import annotations

import orjson

from addons.core.json_values import JsonDict, as_object
from addons.core.protocols.sse import DataEvents, SseReader, parse_block

MAX_ERROR_BYTES = 64 * 1024
"""An event that is larger is no refusal. `response.failed` repeats instructions and tools only where it follows an answer."""
_FAILED = "response.failed"
_MARK = b'"error"'


class StreamStart:
    """Reads a stream up to its first event that holds something."""

    __slots__ = ("_limit", "_reader", "_size", "error", "is_clear")

    def __init__(self, limit: int) -> None:
        self._reader = SseReader(limit)
        self._limit = limit
        self._size = 0
        self.is_clear = False
        """Whether enough was read."""
        self.error: object = None
        """What the first event says about an error; None if the stream is an answer, or nothing is known yet."""

    def feed(self, data: bytes) -> bool:
        """Read more bytes, and return whether enough was read."""
        self._size += len(data)
        for block in self._reader.feed(data):
            if not self.is_clear and DataEvents().feed(block + b"\n\n"):
                self.is_clear = True
                self.error = _error_in(block)
        self.is_clear = self.is_clear or self._size > self._limit
        return self.is_clear


def _error_in(block: bytes) -> object:
    event = parse_block(block) if _MARK in block and len(block) <= MAX_ERROR_BYTES else None
    if event is None:
        return None
    try:
        value = as_object(orjson.loads(event.data))
    except orjson.JSONDecodeError:
        return None
    kind = value.get("type", event.name)
    if kind == _FAILED:
        response = as_object(value.get("response"))
        found: JsonDict = {"error": response.get("error")}
        return found if found["error"] else None
    is_error = kind == "error" or ("choices" not in value and "response" not in value)
    return value if is_error and value.get("error") else None
