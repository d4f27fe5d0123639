"""The exchanges of a turn: of one in a cassette, and of one in a file of flows, whose attempts are exchanges, too.

Never does: keep what has the form of a key. Invariant: total, like everything that reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from addons.core.cassette.format import RecordedTurn, texts_of
from addons.core.cassette.keys import without_keys
from addons.core.protocols.sse import SseReader, parse_block
from addons.core.turn import ClientTransport
from addons.views.har.archive import Exchange, Pairs, StreamEvent
from addons.views.json_input import MAX_EVENT_BYTES, decoded, sse_events
from addons.views.turn import Turn
from addons.views.turn_data import AttemptData, MessageData

HOST = "127.0.0.1:8765"
"""In the place of a host that was not recorded."""


@dataclass(frozen=True, slots=True)
class FlowTurn:
    """A turn in a file of flows."""

    id: str
    thread: str
    method: str
    url: str
    headers: Pairs
    turn: Turn
    started: float
    """Unix seconds."""
    first: float | None
    """Seconds until the answer began."""
    seconds: float


def of_recorded(turn: RecordedTurn, started: float, number: int) -> Exchange:
    """Return the exchange of a turn in a cassette, whose secrets are masked. `started` is for a file without times."""
    request, answer = turn.request, turn.answer
    is_socket = request.transport == ClientTransport.WEBSOCKET
    host = next((value for name, value in request.headers if name.lower() == "host"), HOST)
    at = [seconds for seconds, _ in answer.parts] or [0.0]
    return Exchange(
        turn.started or started,
        request.method,
        f"{'ws' if is_socket else 'http'}://{host}{request.path}",
        request.headers,
        request.body,
        answer.status,
        answer.headers,
        texts_of(answer.parts),
        at[0],
        at[-1],
        f"turn {number}: {request.slug}, {answer.ended}",
        tuple(_events(turn)),
        is_socket,
    )


def _events(turn: RecordedTurn) -> Iterator[StreamEvent]:
    for at, text in turn.answer.parts:
        reader = SseReader(MAX_EVENT_BYTES)
        for block in (*reader.feed(text.encode("utf-8", "replace")), *reader.finish()):
            if event := parse_block(block):
                yield StreamEvent(at, event.name, decoded(event.data))


def of_flow(found: FlowTurn) -> Iterator[Exchange]:
    """Yield the exchange of the client, and those with upstreams."""
    return (hidden(each, without_keys) for each in _of_flow(found))


def hidden(exchange: Exchange, hide: Callable[[bytes], bytes]) -> Exchange:
    """Return an exchange without what a function takes out of bodies, parts of it in several events included."""
    return replace(
        exchange,
        body=_hidden(exchange.body, hide),
        answer=_hidden(exchange.answer, hide),
        events=tuple(_hidden_events(exchange.events, hide)),
    )


def _hidden(text: str, hide: Callable[[bytes], bytes]) -> str:
    return decoded(hide(text.encode("utf-8", "replace")))


def _hidden_events(
    events: Sequence[StreamEvent], hide: Callable[[bytes], bytes]
) -> Iterator[StreamEvent]:
    # one line each, so a value that is spread over events is found as in the stream
    lines = [each.data.replace("\r", "").replace("\n", "\ndata: ") for each in events]
    found = [data for _, data, _ in sse_events(hide("".join(f"data: {line}\n\n" for line in lines).encode("utf-8", "replace")))]  # fmt: skip
    if len(found) != len(events):
        found = [hide(each.data.encode("utf-8", "replace")) for each in events]
    for each, data in zip(events, found, strict=True):
        yield replace(each, data=decoded(data))


def _of_flow(found: FlowTurn) -> Iterator[Exchange]:
    turn, data = found.turn, found.turn.data
    ended = (data.terminal or data.error or data.ended) if data else ""
    yield Exchange(
        found.started,
        found.method,
        found.url,
        found.headers,
        decoded(turn.request),
        turn.status,
        turn.answer_headers,
        decoded(turn.answer or b""),
        found.first if found.first is not None else found.seconds,
        found.seconds,
        ", ".join(filter(None, (f"turn {found.id}: {data.slug if data else ''}", ended))),
    )
    for number, attempt in enumerate(data.attempts if data else (), 1):
        yield _of_attempt(attempt, found, number)


def _of_attempt(attempt: AttemptData, found: FlowTurn, number: int) -> Exchange:
    answer = attempt.answer
    seconds = attempt.seconds or 0.0
    return Exchange(
        attempt.started or found.started,
        attempt.request.method,
        attempt.url,
        attempt.request.headers,
        _body(attempt.request),
        answer.status if answer else 0,
        answer.headers if answer else (),
        _body(answer) if answer else "",
        attempt.first_byte if attempt.first_byte is not None else seconds,
        seconds,
        f"attempt {number} of turn {found.id}: {attempt.outcome or 'under way'}",
        tuple(_upstream_events(answer)) if answer else (),
    )


def _upstream_events(answer: MessageData) -> Iterator[StreamEvent]:
    for name, data, at in sse_events(answer.decoded, answer.reads):
        yield StreamEvent(at or 0.0, name, decoded(data))


def _body(message: MessageData) -> str:
    return decoded(message.decoded)
