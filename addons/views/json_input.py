"""Read JSON values and events from untrusted bytes. Total; reads at most `MAX_READ_BYTES`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from addons.core.protocols.sse import SseReader, parse_block
from addons.core.usage import Usage

Reads = Sequence[tuple[float, int]]
"""Arrival times of a body: pairs of seconds and bytes received by then."""

MAX_READ_BYTES = 32 * 1024 * 1024
"""A longer body would block the proxy for too long."""
MAX_EVENT_BYTES = 16 * 1024 * 1024


def json_of(data: bytes | str) -> object:
    """Return the JSON value, None when it is invalid."""
    try:
        return orjson.loads(data[:MAX_READ_BYTES])
    except (orjson.JSONDecodeError, UnicodeError):
        return None


def arguments_of(text: str) -> object:
    """Return the arguments of a call, None unless they are a JSON object."""
    value = json_of(text)
    return value if isinstance(value, dict) else None


def sse_events(body: bytes, reads: Reads = ()) -> Iterator[tuple[str, bytes, float | None]]:
    """Yield name, data and arrival time of each event of a stream, and of an unfinished last one."""
    reader = SseReader(MAX_EVENT_BYTES)
    at: float | None = None
    for at, part in _parts(body[:MAX_READ_BYTES], reads):
        yield from _events(reader.feed(part), at)
    yield from _events(reader.finish(), at)


def _events(blocks: Iterable[bytes], at: float | None) -> Iterator[tuple[str, bytes, float | None]]:
    for block in blocks:
        if event := parse_block(block):
            yield event.name, event.data, at


def _parts(body: bytes, reads: Reads) -> Iterator[tuple[float | None, bytes]]:
    """Yield the body in the parts in which it arrived."""
    start, at = 0, None
    for at, end in reads:
        if end > start:
            yield at, body[start:end]
            start = end
    yield at, body[start:]


def json_lines(body: bytes) -> Iterator[object]:
    """Yield the value of each line, None for a line that is not JSON."""
    for line in body[:MAX_READ_BYTES].split(b"\n"):
        if line.strip():
            yield json_of(line)


def decoded(data: bytes) -> str:
    """Return bytes as text. Invalid UTF-8 is replaced."""
    return data.decode("utf-8", "replace")


def usage_text(usage: Usage) -> str:
    """Return `in 18,200 (cached 17,000) · out 640 (reasoning 200)`."""
    cached = f" (cached {usage.cached_tokens:,})" if usage.cached_tokens else ""
    reasoning = f" (reasoning {usage.reasoning_tokens:,})" if usage.reasoning_tokens else ""
    return f"in {usage.input_tokens:,}{cached} · out {usage.output_tokens:,}{reasoning}"
