"""Bytes of unknown worth → JSON values and events. Total; looks at no more than `LOOKED_AT` bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from addons.core.wire.responses import Usage
from addons.core.wire.sse import SseReader, parse_block

Json = Mapping[str, object]

LOOKED_AT = 32 * 1024 * 1024
"""Beyond it a view would hold the proxy up for too long."""
EVENT_BYTES = 16 * 1024 * 1024


def json_of(data: bytes | str) -> object:
    """The JSON value, or None when it is none."""
    try:
        return orjson.loads(data[:LOOKED_AT])
    except (orjson.JSONDecodeError, UnicodeError):
        return None


def arguments_of(text: str) -> object:
    """What a call's arguments say: an object when they are one, else None."""
    value = json_of(text)
    return value if isinstance(value, dict) else None


def sse_events(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and data of each event of a stream, an unfinished last one among them."""
    reader = SseReader(EVENT_BYTES)
    for block in [*reader.feed(body[:LOOKED_AT]), *reader.finish()]:
        if event := parse_block(block):
            yield event.name, event.data


def json_lines(body: bytes) -> Iterator[object]:
    """Each line's value; None for a line that is no JSON."""
    for line in body[:LOOKED_AT].split(b"\n"):
        if line.strip():
            yield json_of(line)


def decoded(data: bytes) -> str:
    """Bytes as text, whatever they are."""
    return data.decode("utf-8", "replace")


def usage_text(usage: Usage) -> str:
    """`in 18,200 (cached 17,000) · out 640 (reasoning 200)`."""
    cached = f" (cached {usage.cached_tokens:,})" if usage.cached_tokens else ""
    thought = f" (reasoning {usage.reasoning_tokens:,})" if usage.reasoning_tokens else ""
    return f"in {usage.input_tokens:,}{cached} · out {usage.output_tokens:,}{thought}"
