"""Makes the recorded turn of a finished one: decodes, masks, and splits the answer into events with their times.

Never does: keep a secret, or a heartbeat of the engine, which a replay makes itself. Invariant: total. A body that
cannot be decoded is recorded as the text that says so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from addons.core.cassette.format import (
    COMPLETE,
    CUT,
    Pairs,
    RecordedAnswer,
    RecordedRequest,
    RecordedTurn,
)
from addons.core.cassette.keys import without_keys
from addons.core.errors import Problem
from addons.core.headers import Headers, header, media_type
from addons.core.json_values import JsonObject
from addons.core.masking.mask import EchoMask
from addons.core.protocols.request_body import decode
from addons.core.protocols.responses.observer import StreamObserver

Chunk = tuple[float, bytes]
_EVENT = re.compile(rb".+?(?:\n\n|\r\n\r\n|\Z)", re.DOTALL)
HEARTBEAT_MARK = b'"response.heartbeat"'


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """A turn as the engine saw it. `mask` is that of its secrets."""

    method: str
    path: str
    transport: str
    thread: str
    agent: str
    slug: str
    headers: Headers
    body: bytes
    status: int
    answer_headers: Headers
    chunks: Sequence[Chunk]
    """Seconds since the request was whole, and the bytes of one write."""
    mask: EchoMask
    model: JsonObject
    started: float = 0.0
    """Unix seconds."""

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return len(self.body) + sum(len(data) for _, data in self.chunks)


def record(turn: FinishedTurn, limit: int) -> RecordedTurn:
    """Return what is written of a turn. `limit` is the most that a request may have once it is decoded."""
    body = decode(turn.body, header(turn.headers, b"content-encoding"), limit)
    text = body.message.encode() if isinstance(body, Problem) else body
    request = RecordedRequest(
        turn.method,
        turn.mask.text(turn.path),
        turn.transport,
        turn.mask.text(turn.thread),
        turn.agent,
        turn.mask.text(turn.slug),
        _pairs(turn.mask.headers(turn.headers)),
        _text(without_keys(turn.mask.data(text))),
    )
    return RecordedTurn(request, _answer(turn), turn.model, round(turn.started, 3))


def _answer(turn: FinishedTurn) -> RecordedAnswer:
    whole = b"".join(data for _, data in turn.chunks)
    headers, masked = turn.mask.message(turn.answer_headers, whole)
    masked = without_keys(masked)
    recorded = _pairs(headers)
    if media_type(turn.answer_headers) != b"text/event-stream":
        last = turn.chunks[-1][0] if turn.chunks else 0.0
        return RecordedAnswer(turn.status, recorded, ((round(last, 4), _text(masked)),))
    times = _times(whole, turn.chunks)
    parts = [
        (times[min(at, len(times) - 1)], _text(event))
        for at, event in enumerate(_events(masked))
        if HEARTBEAT_MARK not in event
    ]
    observer = StreamObserver(len(whole) + 1)
    observer.feed(masked)
    ended = COMPLETE if observer.terminal else CUT
    return RecordedAnswer(turn.status, recorded, tuple(parts), ended)


def _times(whole: bytes, chunks: Sequence[Chunk]) -> list[float]:
    """Return when each event was written to its end. A mask changes no line end, so it changes no number of events."""
    ends = list(accumulate(len(data) for _, data in chunks))
    position, times = 0, []
    for event in _events(whole):
        position += len(event)
        at = min(bisect_left(ends, position), len(chunks) - 1)
        times.append(round(chunks[at][0], 4))
    return times


def _events(data: bytes) -> list[bytes]:
    """Split a stream behind each blank line."""
    return _EVENT.findall(data)


def _pairs(headers: Headers) -> Pairs:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
