"""Translators of native Responses answers: they pass bytes through and observe usage, rate limits and the end.

Source: OpenAI API reference, "Responses: streaming events". Never changes a byte: `feed` returns the object that it was
given. Invariant: no delta is parsed, and nothing is written after a terminal event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

import orjson

from addons.core.contract.events import KNOWN_EVENTS
from addons.core.errors import Problem, failed_event, problem_of
from addons.core.headers import client_headers, media_type
from addons.core.json_values import as_int, as_object
from addons.core.protocols.sse import BLANK_LINE, JOINT_BYTES, BlockReader, parse_block
from addons.core.turn import (
    Answer,
    ClientRequest,
    Fault,
    FaultKind,
    Head,
    Relay,
    Reply,
    StreamSummary,
    Translator,
    printable,
)
from addons.core.usage import Usage

CREATED = b"response.created"
RATE_LIMITS = b"codex.rate_limits"
# Codex knows three. After an `error` event the API sends nothing more and SDKs raise: another event would hide it.
TERMINAL = frozenset({b"response.completed", b"response.failed", b"response.incomplete", b"error"})
WATCHED = TERMINAL | {CREATED, RATE_LIMITS}

JSON = b"application/json"
BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT})
WANTS_STREAM = re.compile(rb'"stream"\s*:\s*true')
_CR, _LF = b"\r\n"
MAX_UNKNOWN = 8
"""How many names of unknown events are noted of one answer."""
EVENT_NAME = re.compile(rb"[A-Za-z0-9_.-]{1,80}")
"""An unknown event is noted only under such a name: an upstream may write anything there."""
EVENT_LINE = b"event:"
SEQUENCE_NUMBER = b'"sequence_number":'
TYPE_FIRST = re.compile(rb'data:\s*\{\s*"type"\s*:\s*"([^"\\]*)"')
WATCHED_TYPE = re.compile(
    rb'"type"\s*:\s*"(?:response\.(?:created|completed|failed|incomplete)|codex\.rate_limits|error)"'
)


class StreamObserver:
    """Observes a native Responses stream: its terminal event, usage, rate limits and response id.

    An event of more than `event_bytes` is passed on but not read. Observed events are parsed only when a property is
    read.
    """

    __slots__ = (
        "_begin", "_blocks", "_created", "_event_bytes", "_last", "_rate_limits", "_terminal", "_terminal_type", "_unknown",
    )  # fmt: skip
    keeps_bytes = True
    """The client gets the upstream's own bytes."""

    def __init__(self, event_bytes: int) -> None:
        self._event_bytes = event_bytes
        self._blocks = BlockReader(event_bytes)
        self._created = b""
        self._rate_limits = b""
        self._terminal = b""
        self._terminal_type = b""
        self._last = b""
        self._unknown: set[bytes] = set()
        self._begin = b""
        """The begin of the last event, up to its type, which is not watched. Most events begin like the one before."""

    def feed(self, data: bytes) -> bytes:
        """Observe one network read; return it unchanged."""
        if self._begin and self._is_alike(data):
            return data
        for block in self._blocks.feed(data):
            if not self._begin or not block.startswith(self._begin):
                first = _type_at_start(block)
                kind = first[1] if first else _type_inside(block)
                if kind in WATCHED:
                    self._keep(kind, block)
                    continue
                if not kind:
                    self._note_untyped(block)
                elif kind not in KNOWN_EVENTS:
                    self._note_unknown(kind)
                self._begin = block[: first.end()] if first else b""
            if block.find(SEQUENCE_NUMBER) >= 0:
                self._last = block
        if self._blocks.oversized:
            self._keep_oversized_terminal()
        return data

    def _is_alike(self, data: bytes) -> bool:
        """Observe a read if it holds whole events that begin like the last one, and nothing else. Return whether it does."""
        is_whole = data.startswith(self._begin) and data.endswith(BLANK_LINE) and _CR not in data
        if not is_whole or len(data) > self._event_bytes or self._blocks.inside:
            return False
        if data.find(BLANK_LINE) == len(data) - len(BLANK_LINE):
            # nearly every read of a slow stream
            last = data[: -len(BLANK_LINE)]
        else:
            last = _last_alike(data, self._begin)
        if last.find(SEQUENCE_NUMBER) >= 0:
            self._last = last
            return True
        return bool(last) and data.find(SEQUENCE_NUMBER) < 0

    def _note_untyped(self, block: bytes) -> None:
        """Observe an event that states no type at its beginning."""

    def _note_unknown(self, kind: bytes) -> None:
        if len(self._unknown) < MAX_UNKNOWN and EVENT_NAME.fullmatch(kind):
            self._unknown.add(kind)

    def _keep(self, kind: bytes, block: bytes) -> None:
        if kind == RATE_LIMITS:
            self._rate_limits = block
        elif kind == CREATED:
            self._created = self._last = block
        elif not self._terminal and _is_complete(block):
            self._terminal, self._terminal_type = block, kind

    def _keep_oversized_terminal(self) -> None:
        for head in self._blocks.oversized:
            kind = _type_of_oversized(head)
            if kind in TERMINAL and not self._terminal:
                self._terminal, self._terminal_type = head, kind
        self._blocks.oversized.clear()

    def finish(self) -> bytes:
        """Return the bytes that end the stream after the upstream ended its body."""
        return self.fail(Fault(FaultKind.CUT, "its body ended without a terminal event"))

    def fail(self, fault: Fault) -> bytes:
        """Return `response.failed` for the announced response; nothing after a terminal event.

        Returns a blank line if only that is missing after a terminal event.
        """
        if self._terminal:
            return b""
        if self._ends_with_terminal(self._blocks.pending):
            return b"\n\n"
        event = failed_event(
            self._problem(fault), response=self.response, sequence_number=self.sequence_number + 1
        )
        self._terminal_type, self._terminal = b"response.failed", event.rstrip(b"\n")
        return event

    def _problem(self, fault: Fault) -> Problem:
        return problem_of(fault)

    def _ends_with_terminal(self, rest: bytes) -> bool:
        kind = event_type_of(rest)
        if kind in TERMINAL and parsed_data(rest):
            self._keep(kind, rest.rstrip(b"\n"))
        return self.terminal

    @property
    def terminal(self) -> bool:
        """Whether a terminal event was passed on or written."""
        return bool(self._terminal)

    @property
    def terminal_type(self) -> str:
        """The type of the terminal event; empty before it."""
        return self._terminal_type.decode("utf-8", "replace")

    @property
    def response(self) -> Mapping[str, object]:
        """The response object that `response.created` announced; empty before it."""
        return as_object(parsed_data(self._created).get("response"))

    @property
    def response_id(self) -> str | None:
        """The id of the announced response."""
        value = self.response.get("id")
        return value if isinstance(value, str) else None

    @property
    def sequence_number(self) -> int:
        """The number of the last event before a terminal one; -1 if there is none."""
        number = as_int(parsed_data(self._last).get("sequence_number"))
        return -1 if number is None else number

    @property
    def usage(self) -> Usage | None:
        """The usage in the terminal event."""
        return Usage.of(as_object(parsed_data(self._terminal).get("response")).get("usage"))

    @property
    def rate_limits(self) -> Mapping[str, object] | None:
        """The last `codex.rate_limits` event."""
        return parsed_data(self._rate_limits) or None

    def summarize(self) -> StreamSummary:
        """Return the result of the stream."""
        last = parsed_data(self._terminal)
        response = as_object(last.get("response"))
        error = as_object(response.get("error")) or as_object(last.get("error")) or last
        return StreamSummary(
            self.terminal_type,
            error_code(error),
            Usage.of(response.get("usage")),
            self.rate_limits,
            tuple(sorted(kind.decode() for kind in self._unknown)),
        )


def _last_alike(data: bytes, begin: bytes) -> bytes:
    """Return the last of the events in a read, if all of them begin like this; empty if not."""
    events = data[JOINT_BYTES : -len(BLANK_LINE)].split(BLANK_LINE + begin[:JOINT_BYTES])
    # no line but those of their begins: none holds a blank line
    if data.count(_LF) != len(events) * (begin.count(_LF) + len(BLANK_LINE)):
        return b""
    rest = begin[JOINT_BYTES:]
    others = [event for event in events if not event.startswith(rest)]
    return b"" if others else begin[:JOINT_BYTES] + events[-1]


def event_type_of(block: bytes) -> bytes:
    """Return the type that the JSON of a block states, empty if it states none that is observed.

    Clients go by the JSON and ignore the name of the event. Only a block that mentions an observed type is parsed.
    """
    first = _type_at_start(block)
    return first[1] if first else _type_inside(block)


def _type_at_start(block: bytes) -> re.Match[bytes] | None:
    at = 0 if block.startswith(b"data:") else block.find(b"\ndata:") + 1
    return TYPE_FIRST.match(block, at)


def _type_inside(block: bytes) -> bytes:
    kind = parsed_data(block).get("type") if WATCHED_TYPE.search(block) else None
    return kind.encode() if isinstance(kind, str) else b""


def _type_of_oversized(head: bytes) -> bytes:
    """Return the type of an event whose JSON is not known to its end: its name, if the JSON does not begin with it."""
    if kind := event_type_of(head):
        return kind
    name, _, _ = head.removeprefix(EVENT_LINE).partition(b"\n")
    return name.strip() if head.startswith(EVENT_LINE) else b""


def parsed_data(block: bytes) -> Mapping[str, object]:
    """Return the object in the data of a block; empty if it holds none."""
    event = parse_block(block) if block else None
    try:
        return as_object(orjson.loads(event.data)) if event else {}
    except orjson.JSONDecodeError:
        return {}


def _is_complete(block: bytes) -> bool:
    # Clients skip an event whose data is not JSON, so a truncated one ends nothing. Parsing megabytes would be slow.
    event = parse_block(block)
    return event is not None and event.data.rstrip().endswith(b"}")


def error_code(error: Mapping[str, object]) -> str:
    """Return the code of an error object, else its type; empty if it has neither."""
    code = error.get("code") or error.get("type")
    return printable(code) if isinstance(code, str) and not code.startswith("response.") else ""


def summarize_answer(head: Head, body: bytes) -> StreamSummary:
    """Return the result of a complete answer: an event stream, or JSON of any status."""
    if (head.header(b"content-type") or b"").startswith(b"text/event-stream"):
        observer = StreamObserver(len(body) + 1)
        observer.feed(body)
        return observer.summarize()
    try:
        answer = as_object(orjson.loads(body))
    except orjson.JSONDecodeError:
        return StreamSummary()
    error = as_object(answer.get("error"))
    return StreamSummary(error=error_code(error), usage=Usage.of(answer.get("usage")))


class PassThrough:
    """A `Translator` for bodies without a terminal event, such as JSON. It changes and adds nothing."""

    keeps_bytes = True

    @property
    def terminal(self) -> bool:
        """Always false: such a body has no terminal event."""
        return False

    def feed(self, data: bytes) -> bytes:
        """Return the bytes unchanged."""
        return data

    def finish(self) -> bytes:
        """Return nothing: such a body needs no end."""
        return b""

    def fail(self, fault: Fault) -> bytes:  # noqa: ARG002 - the signature of `Translator`
        """Return nothing: an event cannot be added to a body of unknown format."""
        return b""


class JsonPassThrough(PassThrough):
    """Keeps a JSON answer of at most `limit` bytes for the summary."""

    def __init__(self, head: Head, limit: int) -> None:
        self._head = head
        self._parts: list[bytes] = []
        self._remaining = limit

    def feed(self, data: bytes) -> bytes:
        """Return the bytes unchanged."""
        self._remaining -= len(data)
        if self._remaining >= 0:
            self._parts.append(data)
        else:
            self._parts.clear()
        return data

    def summarize(self) -> StreamSummary:
        """Return the usage or the error of the answer."""
        return summarize_answer(self._head, b"".join(self._parts))


def native_translator(
    head: Head, event_bytes: int, observer: Callable[[int], Translator] = StreamObserver
) -> Translator:
    """Return the translator that passes this answer through and observes as much of it as its format allows."""
    if _is_encoded(head):
        return PassThrough()
    if media_type(head.headers) == JSON:
        return JsonPassThrough(head, event_bytes)
    return observer(event_bytes) if _is_stream(head) else PassThrough()


def native_relay(
    head: Head, event_bytes: int, observer: Callable[[int], Translator] = StreamObserver
) -> Relay:
    """Return the step that passes this answer through."""
    translator = native_translator(head, event_bytes, observer)
    return Relay(Head(head.status, client_headers(head.headers)), translator)


def native_answer(head: Head, begin: bytes, event_bytes: int) -> Relay | Answer | None:
    """Return the step that follows the begin of a body, which is all of it if it is short; None if it is blank."""
    if len(begin) >= FIRST_BYTES:
        return native_relay(head, event_bytes)
    if not begin.strip():
        return None
    return Answer(Reply(Head(head.status, client_headers(head.headers)), begin))


def has_no_body(head: Head) -> bool:
    """Return whether a successful head announces an empty body, to which no terminal event can be added."""
    if not _is_success(head) or _is_stream(head):
        return False
    return head.status in BODILESS or (head.header(b"content-length") or b"").strip() == b"0"


FIRST_BYTES = 64
"""How much of a body is read to know that it is not empty. More than one, because blanks may come first."""


def may_have_no_body(head: Head, request: ClientRequest) -> bool:
    """Return whether the begin of a body must be read: the client waits for a stream, and the body may be empty."""
    if not _is_success(head) or _is_encoded(head) or media_type(head.headers) not in (JSON, b""):
        return False
    if head.header(b"content-length") is not None:
        return False
    return bool(request.header(b"content-encoding") or WANTS_STREAM.search(request.body))


def _is_encoded(head: Head) -> bool:
    return (head.header(b"content-encoding") or b"identity").strip().lower() != b"identity"


def is_plain_stream(head: Head) -> bool:
    """Return whether a successful answer is an event stream into which events can be written."""
    return _is_stream(head) and not _is_encoded(head)


def _is_success(head: Head) -> bool:
    return HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES


def _is_stream(head: Head) -> bool:
    return head.status == HTTPStatus.OK and media_type(head.headers) == b"text/event-stream"
