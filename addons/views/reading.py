"""Bytes of unknown worth → JSON values and events. Total; looks at no more than `LOOKED_AT` bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from addons.core.usage import Usage
from addons.core.wire.sse import SseReader, parse_block

Json = Mapping[str, object]
Reads = Sequence[tuple[float, int]]
"""When what came: seconds, and how many bytes there were then."""

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


def sse_events(body: bytes, reads: Reads = ()) -> Iterator[tuple[str, bytes, float | None]]:
    """Name, data and time of each event of a stream, an unfinished last one among them."""
    reader = SseReader(EVENT_BYTES)
    at: float | None = None
    for at, part in _parts(body[:LOOKED_AT], reads):
        yield from _events(reader.feed(part), at)
    yield from _events(reader.finish(), at)


def _events(blocks: Iterable[bytes], at: float | None) -> Iterator[tuple[str, bytes, float | None]]:
    for block in blocks:
        if event := parse_block(block):
            yield event.name, event.data, at


def _parts(body: bytes, reads: Reads) -> Iterator[tuple[float | None, bytes]]:
    """The body in the pieces in which it came."""
    start, at = 0, None
    for at, end in reads:
        if end > start:
            yield at, body[start:end]
            start = end
    yield at, body[start:]


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
