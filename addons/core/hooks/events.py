"""The events of an answer: reads a translator's output into `Event` values, and writes them again.

Never does: change an event. Invariant: an event that no hook changed is written byte for byte, and what is no event of the
Responses API (a comment, a text that is no JSON) passes as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from addons.core.errors import sse_event
from addons.core.hooks.frozen_json import JsonMap, plain
from addons.core.hooks.values import Event
from addons.core.json_values import JsonObject, as_str, loads_exactly
from addons.core.protocols.sse import SseReader, parse_block

Piece = Event | bytes
"""An event, or bytes that are none and pass as they are."""
Mask = Callable[[bytes], bytes]


def unmasked(data: bytes) -> bytes:
    """Return bytes that hold no secret."""
    return data


class EventReader:
    """Reads the stream of one answer. `mask` replaces the secrets that an upstream has repeated: no hook sees them."""

    def __init__(self, max_event_bytes: int, mask: Mask = unmasked) -> None:
        self._blocks = SseReader(max_event_bytes)
        self._mask = mask

    def feed(self, data: bytes) -> list[Piece]:
        """Return what ends in these bytes."""
        return [_piece(self._mask(block)) for block in self._blocks.feed(data)] if data else []

    def finish(self) -> list[Piece]:
        """Return an event of which only the blank line is missing."""
        return [_piece(self._mask(block)) for block in self._blocks.finish()]

    @property
    def too_large(self) -> bool:
        """Whether an event was larger than the limit, and is missing."""
        return self._blocks.too_large


def _piece(block: bytes) -> Piece:
    parsed = parse_block(block)
    if parsed is None:
        return block + b"\n\n"
    try:
        data = loads_exactly(parsed.data)
    except orjson.JSONDecodeError:
        return block + b"\n\n"
    if not isinstance(data, dict):
        return block + b"\n\n"
    return Event.received(as_str(data.get("type")) or parsed.name, JsonMap(data), block)


def written(pieces: Iterable[Piece]) -> bytes:
    """Return the bytes of events. Raises TypeError if one holds what JSON cannot."""
    return b"".join(one if isinstance(one, bytes) else _event_bytes(one) for one in pieces)


def _event_bytes(event: Event) -> bytes:
    if event.block:
        return event.block + b"\n\n"
    data = plain(event.data)
    return sse_event(event.type, data if isinstance(data, dict) else {})


def response_of(event: Event) -> dict[str, object] | None:
    """Return the object of `response.created`; None for another event."""
    found = plain(event.data.get("response")) if event.type == "response.created" else None
    return found if isinstance(found, dict) else None


def whole_event(body: JsonObject) -> Event:
    """Return the one event that an answer without a stream is for hooks."""
    return Event.of("response.completed", response=dict(body))
