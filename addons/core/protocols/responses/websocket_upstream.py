"""A turn over a WebSocket of the Responses API: what is sent for it, and its frames as an HTTP answer would hold them.

A request is one frame: the body by HTTP with `"type":"response.create"`. It may name the last response of the same
connection and hold only what is new since. Headers of one turn travel in its `client_metadata`. An answer is one frame
for each event; an error frame with a status takes the place of a refusal.

Source: Codex 0.169 and 0.171 against a server of ours (`openai-beta: responses_websockets=2026-02-06`). Never parses an
event that names no response and cannot be broken, nor a request unless a header has to be put into it. Invariant: what
`AnswerFrames` returns are whole SSE events of one response.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import orjson

from addons.core.errors import sse_event
from addons.core.headers import Headers, bad_name, canonical, is_known
from addons.core.json_values import as_int, as_object, as_str, loads_exactly
from addons.core.protocols.responses.observer import CREATED, TERMINAL, WATCHED_TYPE
from addons.core.turn import UpstreamRequest

BETA = (b"openai-beta", b"responses_websockets=2026-02-06")
CONNECTION_LIMIT = "websocket_connection_limit_reached"
UNKNOWN_PREVIOUS = "previous_response_not_found"
PUSHED = b"codex."
"""Begins the type of events that a server may send at any time."""
MAX_HELD_BYTES = 64 * 1024
"""Of pushed events that wait for the answer to begin. When there are more, only the last one is kept."""

_CREATE = b'{"type":"response.create",'
_TURN_HEADERS = b"x-openai-internal-"
"""Begins the names of headers that belong to one turn."""
_IN_METADATA = "ws_request_header_"
_NOT_IN_UPGRADE = frozenset(
    {b"accept", b"accept-encoding", b"content-encoding", b"content-type", b"openai-beta"}
)
_GENERATES_NOTHING = re.compile(rb'"generate"\s*:\s*false')
_CARRIED = re.compile(rb'"ws_request_header_([^"]*)"')
_PREVIOUS = re.compile(rb'"previous_response_id"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|null)')
"""Quotes inside of a string are escaped, so this is no text of a message. It may be a member of another object."""
_TYPE_FIRST = re.compile(rb'\s*\{\s*"type"\s*:\s*"([^"\\]*)"')
_NAME = re.compile(rb"[\w.]+")
_TWO_TEXTS = b"}{"
_OF_RESPONSE = re.compile(rb'"response(?:_id)?"\s*:')
"""Precedes the id of a response, and seldom anything else. Quotes inside of a string are escaped."""
_RESPONSE_ID = b'"response_id"'
_OF_ITEM = frozenset({"item", "item_id", "output_index"})
"""Fields of the events that belong to one item of an answer."""
_NOTHING = b"\0"
"""No JSON text begins with it."""
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_MIN_STATUS, _MAX_STATUS = 400, 599
_UNEXPLAINED = {"type": "codex_shim_error", "code": "upstream_error"}
_NO_MESSAGE = (
    "The upstream refused this turn over its WebSocket with status %d, and gave no reason that can be read. "
    "Check the login with `codex-shim doctor`, or set `chatgpt.transport` in models.json to `http`."
)
_MADE_HERE = frozenset(
    {b"connection", b"content-encoding", b"content-length", b"content-type", b"keep-alive"}
    | {b"set-cookie", b"trailer", b"transfer-encoding", b"upgrade"}
)


# Requests -----------------------------------------------------------------------------------------------------


def upgrade_headers(headers: Headers) -> Headers:
    """Return the headers of the upgrade: those of the turn that are no matter of one request."""
    kept = tuple(
        each
        for each in headers
        if canonical(each[0]) not in _NOT_IN_UPGRADE
        and not canonical(each[0]).startswith(_TURN_HEADERS)
    )
    own = next((each for each in headers if _is_beta(each)), BETA)
    return (*kept, own)


def _is_beta(each: tuple[bytes, bytes]) -> bool:
    return canonical(each[0]) == BETA[0] and each[1].startswith(b"responses_websockets=")


def frame_for(request: UpstreamRequest, last_response: str | None) -> bytes:
    """Return the text to send: the client's own frame if the server knows what it refers to, else the whole history.

    `last_response`: the id of the last response of this connection. The body is plain JSON.
    """
    own = request.frame
    if not own:
        return whole_frame(request.body, request.headers)
    return own if _is_known(own, last_response) else _with_history(own, request.body)


def is_warm_up(frame: bytes | None) -> bool:
    """Return whether a client's frame asks for nothing but to be prepared for the first turn. By HTTP nothing does."""
    if frame is None or not _GENERATES_NOTHING.search(frame):
        return False
    return (_parsed(frame) or {}).get("generate") is False


def warm_up_answer(response_id: str) -> bytes:
    """Return the stream that answers a warm-up without an upstream."""
    response = {"id": response_id, "object": "response", "output": []}
    kinds = (("response.created", "in_progress"), ("response.completed", "completed"))
    return b"".join(
        sse_event(kind, {"type": kind, "response": {**response, "status": status}})
        for kind, status in kinds
    )


def _is_known(frame: bytes, last_response: str | None) -> bool:
    """Return whether every response that a frame may refer to is the last one of the connection."""
    last = last_response.encode() if last_response else None
    return all(found[1] in (None, last) for found in _PREVIOUS.finditer(frame))


def _with_history(frame: bytes, body: bytes) -> bytes:
    """Return the client's frame with the whole history of the body in place of what it refers to."""
    payload = as_object(loads_exactly(frame))
    kept = {name: value for name, value in payload.items() if name != "previous_response_id"}
    return orjson.dumps({**kept, "input": as_object(loads_exactly(body)).get("input")})


def is_for_upstream(frame: bytes) -> bool:
    """Return whether a client's frame carries no headers but those that Codex and the SDKs are known to send."""
    names = _CARRIED.findall(frame)
    return all(b"\\" not in name and is_known(canonical(name)) for name in names)


def whole_frame(body: bytes, headers: Headers) -> bytes:
    """Return the frame of a request with its whole history. `body`: a JSON object with at least one member."""
    carried = {
        f"{_IN_METADATA}{canonical(name).decode('latin-1').replace('-', '_')}": value.decode(
            "latin-1"
        )
        for name, value in headers
        if canonical(name).startswith(_TURN_HEADERS)
    }
    if not carried:
        return _CREATE + body.lstrip().removeprefix(b"{")
    payload = as_object(loads_exactly(body))
    metadata = {**as_object(payload.get("client_metadata")), **carried}
    return orjson.dumps({"type": "response.create", **payload, "client_metadata": metadata})


# Answers ------------------------------------------------------------------------------------------------------


class Refusal(NamedTuple):
    """An error frame in place of an answer."""

    status: int
    headers: Headers
    body: bytes
    code: str


class AnswerFrames:
    """Reads the frames of one turn. `earlier`: the ids of responses that this connection brought before."""

    __slots__ = (
        "_begin", "_earlier", "_first", "_head", "_held", "is_broken", "is_over", "kind", "own_id", "refusal",
    )  # fmt: skip

    def __init__(self, earlier: Collection[str] = ()) -> None:
        self._earlier = earlier
        self._first = False
        """Whether the answer has begun."""
        self._held = b""
        """What was pushed before the answer began: a refusal may still come."""
        self._begin, self._head = _NOTHING, b""
        """The begin of the last event, up to its type, and what precedes it in SSE. Most events begin like the one before."""
        self.refusal: Refusal | None = None
        """Set if the first frame refuses the turn. The answer is over then."""
        self.is_over = False
        """Whether the terminal event was read."""
        self.is_broken = False
        """Whether a frame held something else than one event of this turn where that matters."""
        self.own_id: str | None = None
        """The id of the response."""
        self.kind = b""
        """The type of the terminal event."""

    @property
    def response_id(self) -> str | None:
        """The id of the response, if it is complete: the next turn may refer to it."""
        return self.own_id if self.kind == b"response.completed" else None

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was received that says that the server has read the request."""
        return not (self._first or self._held)

    def feed(self, text: bytes) -> bytes:
        """Return the event of a text frame, empty if it is none of this turn."""
        if text.startswith(self._begin) and not _is_rare(text):
            return b"%b%b\n\n" % (self._head, text)
        kind = type_of(text)
        if kind in TERMINAL or _TWO_TEXTS in text:
            event = _parsed(text)
            if event is None:
                # an event that nobody can read would leave the client waiting for the end
                self.is_broken = kind in TERMINAL or any(b'"%b"' % end in text for end in TERMINAL)
            elif kind == b"error" and not self._first and (refusal := _refusal(event)):
                self.refusal, self.is_over = refusal, True
                return b""
        if self.is_broken or not text or self._is_foreign(kind, text):
            return b""
        if kind in TERMINAL:
            self.is_over, self.kind = True, kind
        return self._written(kind, text)

    def _written(self, kind: bytes, text: bytes) -> bytes:
        written = _sse(kind, text)
        if not self._first and kind.startswith(PUSHED):
            self._held = self._held + written if len(self._held) <= MAX_HELD_BYTES else written
            return b""
        if not _OF_RESPONSE.search(text) and (first := _TYPE_FIRST.match(text)):
            self._begin, self._head = first[0], _head(kind)
        if self._held:
            written, self._held = self._held + written, b""
        self._first = True
        return written

    def _is_foreign(self, kind: bytes, text: bytes) -> bool:
        """Return whether an event is that of another turn. One of a response that nobody knows breaks the answer."""
        is_late = bool(self._earlier) and not self._first
        if kind.startswith(PUSHED) or not (is_late or _OF_RESPONSE.search(text)):
            return False
        event = _parsed(text) or {}
        response_id = _response_id(event)
        if response_id is None:
            # before the answer has begun, none of its items can have
            return is_late and not _OF_ITEM.isdisjoint(event)
        if self.own_id is None and (kind == CREATED or response_id not in self._earlier):
            self.own_id = response_id
        self.is_broken = response_id != self.own_id and response_id not in self._earlier
        return response_id != self.own_id


def _is_rare(text: bytes) -> bool:
    """Return whether a text may hold more than one event, the id of another response, or line ends."""
    return _TWO_TEXTS in text or _RESPONSE_ID in text or b"\n" in text or b"\r" in text


def _head(kind: bytes) -> bytes:
    return b"event: %b\ndata: " % kind if _NAME.fullmatch(kind) else b"data: "


def _sse(kind: bytes, text: bytes) -> bytes:
    return b"%b%b\n\n" % (_head(kind), text.translate(_LINE_ENDS))


def type_of(text: bytes) -> bytes:
    """Return the type of an event if it comes first or is one that is watched for; empty otherwise."""
    if first := _TYPE_FIRST.match(text):
        return first[1]
    if not WATCHED_TYPE.search(text):
        return b""
    kind = (_parsed(text) or {}).get("type")
    return kind.encode() if isinstance(kind, str) else b""


def _parsed(text: bytes) -> dict[str, object] | None:
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def _response_id(event: Mapping[str, object]) -> str | None:
    found = as_object(event.get("response")).get("id", event.get("response_id"))
    return found if isinstance(found, str) else None


def _explained(error: Mapping[str, object], status: int) -> Mapping[str, object]:
    """Return an error with a message, and with a code where nothing else names it."""
    if as_str(error.get("message")):
        return error
    is_named = as_str(error.get("code")) or as_str(error.get("type"))
    message = {"message": _NO_MESSAGE % status}
    return {**error, **message} if is_named else {**error, **_UNEXPLAINED, **message}


def _refusal(event: dict[str, object]) -> Refusal | None:
    """Return the refusal that an error frame means; None without a status of an error."""
    status = as_int(event.get("status", event.get("status_code")))
    if status is None or not _MIN_STATUS <= status <= _MAX_STATUS:
        return None
    error = _explained(as_object(event.get("error")), status)
    try:
        body = orjson.dumps({"error": error})
    except orjson.JSONEncodeError:
        # orjson reads deeper nesting than it writes
        texts = {name: value for name, value in error.items() if isinstance(value, str)}
        error = _explained(texts, status)
        body = orjson.dumps({"error": error})
    fields = [
        (name.encode(), str(value).encode())
        for name, value in as_object(event.get("headers")).items()
        if name.isascii() and name.lower().encode() not in _MADE_HERE
    ]
    sent = tuple(each for each in fields if bad_name((each,)) is None)
    own = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    code = error.get("code") or error.get("type")
    return Refusal(status, (*own, *sent), body, code if isinstance(code, str) else "")
