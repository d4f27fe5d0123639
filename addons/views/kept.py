"""What the engine keeps of a turn beside its flow (`flow.metadata["codex_shim"]`), read into values with types.

The data may come from a file that somebody else wrote: reading is total, and what is missing or odd is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from addons.core.usage import Usage
from addons.core.values import obj, string
from addons.core.wire.peek import decode
from addons.views.reading import LOOKED_AT, Reads

KEY = "codex_shim"
"""Under this name the flow's metadata holds the turn."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One request or answer on the wire, as its bytes were. `body` is None when it was not kept."""

    headers: Headers
    body: bytes | None
    cut: bool
    method: str = ""
    status: int = 0
    reads: Reads = ()
    """When what of the body came."""

    @property
    def decoded(self) -> bytes:
        """The body without its content-encoding; as it is when it cannot be taken off."""
        encodings = (value for name, value in self.headers if name.lower() == "content-encoding")
        return plain_body(self.body or b"", next(encodings, ""))


@dataclass(frozen=True, slots=True)
class KeptAttempt:
    """One try at one upstream."""

    url: str
    reason: str
    request: Part
    answer: Part | None
    started: float | None
    first_byte: float | None
    """Seconds from its start to the answer's head."""
    seconds: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """One turn."""

    slug: str
    route: str
    model: str
    thread: str
    dropped: tuple[str, ...]
    attempts: tuple[KeptAttempt, ...]
    terminal: str
    error: str
    ended: str
    usage: Usage | None
    ttft: float | None
    seconds: float | None

    @classmethod
    def of(cls, value: object) -> KeptTurn | None:
        """Read the plain data; None when it is no object."""
        if not isinstance(value, dict):
            return None
        return cls(
            slug=_text(value.get("slug")),
            route=_text(value.get("route")),
            model=_text(value.get("model")),
            thread=_text(value.get("thread")),
            dropped=tuple(_text(each) for each in _list(value.get("dropped"))),
            attempts=tuple(_attempt(each) for each in _list(value.get("attempts"))),
            terminal=_text(value.get("terminal")),
            error=_text(value.get("error")),
            ended=_text(value.get("ended")),
            usage=_usage(value.get("usage")),
            ttft=_number(value.get("ttft")),
            seconds=_number(value.get("seconds")),
        )


def kept_bytes(value: object) -> int:
    """How many bytes of bodies the plain data holds."""
    attempts = map(obj, _list(obj(value).get("attempts")))
    parts = (obj(attempt.get(side)) for attempt in attempts for side in ("request", "answer"))
    return sum(len(body) for part in parts if isinstance(body := part.get("body"), bytes))


def plain_body(body: bytes, encoding: str) -> bytes:
    """A body without its content-encoding, at most `LOOKED_AT` bytes of it; as it is when that fails."""
    found = decode(body, encoding.encode("latin-1", "replace"), LOOKED_AT) if encoding else body
    return found if isinstance(found, bytes) else body


def _attempt(value: object) -> KeptAttempt:
    fields = obj(value)
    answer = fields.get("answer")
    return KeptAttempt(
        url=_text(fields.get("url")),
        reason=_text(fields.get("reason")),
        request=_part(fields.get("request")),
        answer=_part(answer) if isinstance(answer, dict) else None,
        started=_number(fields.get("started")),
        first_byte=_number(fields.get("first_byte")),
        seconds=_number(fields.get("seconds")),
        outcome=_text(fields.get("outcome")),
    )


def _part(value: object) -> Part:
    fields = obj(value)
    body, cut = fields.get("body"), bool(fields.get("cut"))
    status = fields.get("status")
    # nothing at all of a body that was not whole: none was kept
    is_kept = isinstance(body, bytes) and bool(body or not cut)
    return Part(
        headers=headers_of(fields.get("headers")),
        body=body if is_kept and isinstance(body, bytes) else None,
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
    """Pairs of name and value; anything else is left out."""
    pairs = [pair for pair in _list(value) if isinstance(pair, list | tuple) and len(pair) == 2]  # noqa: PLR2004
    return tuple((_text(name), _text(content)) for name, content in pairs)


def _usage(value: object) -> Usage | None:
    fields = obj(value)
    counts = {key: count for key, count in fields.items() if isinstance(count, int)}
    if not counts:
        return None
    asked, said = counts.get("input", 0), counts.get("output", 0)
    return Usage(asked, counts.get("cached", 0), said, counts.get("reasoning", 0), asked + said)


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else string(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
