"""Read the plain data of a turn in `flow.metadata` (`TurnRecord.plain`) into typed values.

The data may come from a file that another program wrote. Invariant: total; a missing or wrong value reads as empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from addons.core.json_values import as_object, as_str
from addons.core.protocols.request_body import decode
from addons.core.usage import Usage
from addons.views.json_input import MAX_READ_BYTES, Reads

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MessageData:
    """One request or response of an attempt. `body` is None when it was not recorded."""

    headers: Headers
    body: bytes | None
    cut: bool
    method: str = ""
    status: int = 0
    reads: Reads = ()
    """Arrival times of the body."""

    @property
    def decoded(self) -> bytes:
        """The body without its content-encoding; unchanged when it cannot be decoded."""
        encodings = (value for name, value in self.headers if name.lower() == "content-encoding")
        return plain_body(self.body or b"", next(encodings, ""))


@dataclass(frozen=True, slots=True)
class AttemptData:
    """One attempt at one upstream."""

    url: str
    reason: str
    request: MessageData
    answer: MessageData | None
    started: float | None
    first_byte: float | None
    """Seconds from the start to the response head."""
    seconds: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class TurnData:
    """One turn."""

    slug: str
    route: str
    model: str
    thread: str
    dropped: tuple[str, ...]
    repairs: tuple[str, ...]
    attempts: tuple[AttemptData, ...]
    terminal: str
    error: str
    ended: str
    usage: Usage | None
    ttft: float | None
    seconds: float | None
    hooks: tuple[str, ...] = ()
    """Which hook changed which parts of the request."""

    @classmethod
    def parse(cls, value: object) -> TurnData | None:
        """Read the plain data. Return None unless it is an object."""
        if not isinstance(value, dict):
            return None
        return cls(
            slug=_text(value.get("slug")),
            route=_text(value.get("route")),
            model=_text(value.get("model")),
            thread=_text(value.get("thread")),
            dropped=tuple(_text(each) for each in _list(value.get("dropped"))),
            repairs=tuple(_text(each) for each in _list(value.get("repairs"))),
            attempts=tuple(_attempt(each) for each in _list(value.get("attempts"))),
            terminal=_text(value.get("terminal")),
            error=_text(value.get("error")),
            ended=_text(value.get("ended")),
            usage=_usage(value.get("usage")),
            ttft=_number(value.get("ttft")),
            seconds=_number(value.get("seconds")),
            hooks=tuple(_text(each) for each in _list(value.get("hooks"))),
        )


def plain_body(body: bytes, encoding: str) -> bytes:
    """Return a body without its content-encoding, unchanged when decoding fails or exceeds `MAX_READ_BYTES`."""
    encoded = encoding.encode("latin-1", "replace")
    decoded = decode(body, encoded, MAX_READ_BYTES) if encoding else body
    return decoded if isinstance(decoded, bytes) else body


def _attempt(value: object) -> AttemptData:
    fields = as_object(value)
    answer = fields.get("answer")
    return AttemptData(
        url=_text(fields.get("url")),
        reason=_text(fields.get("reason")),
        request=_message(fields.get("request")),
        answer=_message(answer) if isinstance(answer, dict) else None,
        started=_number(fields.get("started")),
        first_byte=_number(fields.get("first_byte")),
        seconds=_number(fields.get("seconds")),
        outcome=_text(fields.get("outcome")),
    )


def _message(value: object) -> MessageData:
    fields = as_object(value)
    body, cut = fields.get("body"), bool(fields.get("cut"))
    status = fields.get("status")
    # An empty body that is also cut was not recorded.
    is_recorded = isinstance(body, bytes) and bool(body or not cut)
    return MessageData(
        headers=headers_of(fields.get("headers")),
        body=body if is_recorded and isinstance(body, bytes) else None,
        cut=cut,
        method=_text(fields.get("method")),
        status=status if isinstance(status, int) else 0,
        reads=tuple(_reads(fields.get("reads"))),
    )


def _reads(value: object) -> Iterator[tuple[float, int]]:
    for pair in _list(value):
        at, size = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (None, None)  # noqa: PLR2004
        if (seconds := _number(at)) is not None and isinstance(size, int):
            yield seconds, size


def headers_of(value: object) -> Headers:
    """Return the pairs of name and value; anything else is skipped."""
    pairs = [pair for pair in _list(value) if isinstance(pair, list | tuple) and len(pair) == 2]  # noqa: PLR2004
    return tuple((_text(name), _text(content)) for name, content in pairs)


def _usage(value: object) -> Usage | None:
    fields = as_object(value)
    counts = {key: count for key, count in fields.items() if isinstance(count, int)}
    if not counts:
        return None
    tokens_in, tokens_out = counts.get("input", 0), counts.get("output", 0)
    return Usage(
        tokens_in,
        counts.get("cached", 0),
        tokens_out,
        counts.get("reasoning", 0),
        tokens_in + tokens_out,
    )


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else as_str(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
