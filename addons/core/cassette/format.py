"""The format of a cassette: JSON lines, first a head with the version, then one line for each turn.

    {"codex_shim_cassette": 1, "shim": "1.2.0", "recorded": "2026-11-30T12:00:00Z"}
    {"request": {…}, "answer": {…}, "model": {…}}

`request`: method, path, transport, thread, agent, slug, headers and body, which is the decoded text. `answer`: status,
headers, parts (pairs of seconds since the request was whole, and text; an event of a stream is a part of its own) and
`ended`: `complete`, or `cut` for a stream without a terminal event. `model`: the catalog entry, with the first turn of
each slug. `started`: when the request was whole, in Unix seconds. Unknown fields are ignored, so a minor addition needs no new version.

Never does: read or write a file. Invariant: `loads` raises nothing but `CassetteError`, which names line and field.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

import orjson

from addons.core.json_values import JsonObject, as_str

VERSION = 1
MARK = "codex_shim_cassette"
COMPLETE, CUT = "complete", "cut"

Pairs = tuple[tuple[str, str], ...]


class CassetteError(Exception):
    """A file is no cassette that this version can read. The text names the line, the field and the reason."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """What the client sent, without secrets."""

    method: str
    path: str
    """With the query."""
    transport: str
    thread: str
    agent: str
    slug: str
    headers: Pairs
    body: str


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """What the client got, without secrets."""

    status: int
    headers: Pairs
    parts: tuple[tuple[float, str], ...]
    """Seconds since the request was whole, and text."""
    ended: str = COMPLETE


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """One turn."""

    request: RecordedRequest
    answer: RecordedAnswer
    model: JsonObject = field(default_factory=dict)
    """The catalog entry of the slug; empty where an earlier turn has it."""
    started: float = 0.0
    """Unix seconds; 0 in a file of a version that did not write it."""


@dataclass(frozen=True, slots=True)
class Cassette:
    """The turns of a file, in the order in which they ended."""

    turns: tuple[RecordedTurn, ...]
    recorded: str = ""
    """When the recording began, in RFC 3339."""

    @property
    def models(self) -> Mapping[str, JsonObject]:
        """Slug → its catalog entry."""
        return {turn.request.slug: turn.model for turn in self.turns if turn.model}


def head_line(shim: str, recorded: str) -> bytes:
    """Return the first line of a file. `recorded` is a time in RFC 3339."""
    return orjson.dumps({MARK: VERSION, "shim": shim, "recorded": recorded}) + b"\n"


def turn_line(turn: RecordedTurn) -> bytes:
    """Return the line of a turn."""
    line = asdict(turn)
    if not turn.model:
        del line["model"]
    return orjson.dumps(line) + b"\n"


def loads(data: bytes) -> Cassette:
    """Read a cassette. Raises CassetteError."""
    lines = list(enumerate(data.split(b"\n"), 1))
    head = _object(*lines[0])
    _check_head(head)
    turns = tuple(_turn(number, text) for number, text in lines[1:] if text.strip())
    return Cassette(turns, as_str(head.get("recorded")))


def _check_head(head: JsonObject) -> None:
    version = head.get(MARK)
    if isinstance(version, bool) or not isinstance(version, int):
        msg = f"line 1, field {MARK}: it is missing or no number, so this is no cassette"
        raise CassetteError(msg)
    if version > VERSION or version < 1:
        msg = f"line 1, field {MARK}: version {version} is not known, this codex-shim reads version {VERSION}"
        raise CassetteError(msg)


def _object(number: int, text: bytes) -> JsonObject:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        msg = f"line {number}, column {error.colno}: {error.msg}"
        raise CassetteError(msg) from None
    if not isinstance(value, dict):
        msg = f"line {number}: it is no JSON object"
        raise CassetteError(msg)
    return value


def _turn(number: int, text: bytes) -> RecordedTurn:
    line = _Fields(_object(number, text), f"line {number}, field ")
    request, answer = line.inner("request"), line.inner("answer")
    names = ("method", "path", "transport", "thread", "agent", "slug")
    method, path, transport, thread, agent, slug = (request.text(name) for name in names)
    sent = RecordedRequest(
        method,
        path,
        transport,
        thread,
        agent,
        slug,
        request.pairs("headers"),
        request.text("body"),
    )
    status = answer.status()
    ended = answer.text("ended")
    if ended not in {COMPLETE, CUT}:
        answer.refuse("ended", f"{ended[:40]!r} is neither {COMPLETE!r} nor {CUT!r}")
    model = line.inner("model").values if "model" in line.values else {}
    recorded = RecordedAnswer(status, answer.pairs("headers"), answer.parts(), ended)
    started = line.values.get("started")
    return RecordedTurn(sent, recorded, model, started if isinstance(started, float) else 0.0)


@dataclass(frozen=True, slots=True)
class _Fields:
    """An object of a line, which says where it is when a field is wrong."""

    values: JsonObject
    where: str

    def refuse(self, name: str, reason: str) -> None:
        """Raise CassetteError for a field."""
        msg = f"{self.where}{name}: {reason}"
        raise CassetteError(msg)

    def inner(self, name: str) -> _Fields:
        """Return an object."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            self.refuse(name, "it is missing or no object")
            return self
        return _Fields(value, f"{self.where}{name}.")

    def text(self, name: str) -> str:
        """Return a string."""
        value = self.values.get(name)
        if not isinstance(value, str):
            self.refuse(name, "it is missing or no string")
        return str(value)

    def status(self) -> int:
        """Return a final status of HTTP."""
        value = self.values.get("status")
        if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:  # noqa: PLR2004
            self.refuse("status", "it is missing or no status of HTTP")
            return 0
        return value

    def pairs(self, name: str) -> Pairs:
        """Return a list of pairs of strings."""
        found = [
            (str(one[0]), str(one[1]))
            for one in self._list(name)
            if isinstance(one, list) and [type(part) for part in one] == [str, str]
        ]
        if len(found) != len(self._list(name)):
            self.refuse(name, "an entry is no pair of strings")
        return tuple(found)

    def parts(self) -> tuple[tuple[float, str], ...]:
        """Return a list of pairs of seconds and text."""
        found: list[tuple[float, str]] = []
        for at, one in enumerate(self._list("parts")):
            if not (isinstance(one, list) and len(one) == 2 and isinstance(one[1], str)):  # noqa: PLR2004
                self.refuse(f"parts[{at}]", "it is no pair of seconds and text")
            seconds = one[0] if isinstance(one, list) else None
            if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                self.refuse(f"parts[{at}][0]", "it is no number of seconds")
            elif not 0 <= seconds <= math.inf:
                self.refuse(f"parts[{at}][0]", "it is negative")
            elif isinstance(one, list):
                found.append((float(seconds), str(one[1])))
        return tuple(found)

    def _list(self, name: str) -> list[object]:
        value = self.values.get(name)
        if not isinstance(value, list):
            self.refuse(name, "it is missing or no list")
            return []
        return value


def texts_of(parts: Iterable[tuple[float, str]]) -> str:
    """Return the text of the parts of an answer."""
    return "".join(text for _, text in parts)
