"""A turn over a WebSocket of the Responses API: what is sent for it, and its frames as an HTTP answer would hold them.

A request is one frame: the body by HTTP with `"type":"response.create"`. It may name the last response of the same
connection and hold only what is new since. Headers of one turn travel in its `client_metadata`. An answer is one frame
for each event; an error frame with a status takes the place of a refusal.

Source: Codex 0.169 and 0.171 against a server of ours (`openai-beta: responses_websockets=2026-02-06`). Never parses an
event that neither ends a turn nor may be broken, nor a request unless a header has to be put into it. Invariant: what
`AnswerFrames` returns are whole SSE events; nothing of another response ends a turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from addons.core.errors import sse_event
from addons.core.headers import Headers, bad_name, canonical, is_known
from addons.core.json_values import as_int, as_object
from addons.core.protocols.responses.observer import TERMINAL, WATCHED_TYPE
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
_NOTHING = b"\0"
"""No JSON text begins with it."""
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")
_MIN_STATUS, _MAX_STATUS = 400, 599
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
    payload = as_object(orjson.loads(frame))
    kept = {name: value for name, value in payload.items() if name != "previous_response_id"}
    return orjson.dumps({**kept, "input": as_object(orjson.loads(body)).get("input")})


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
    payload = as_object(orjson.loads(body))
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
    """Reads the frames of one turn. `previous`: the id of the response before it on this connection."""

    __slots__ = (
        "_begin", "_first", "_head", "_held", "_previous", "is_broken", "is_over", "refusal", "response_id",
    )  # fmt: skip

    def __init__(self, previous: str | None) -> None:
        self._previous = previous
        self._first = b""
        """The event that began the answer. It is seldom read, so it is kept as it came."""
        self._held = b""
        """What was pushed before the answer began: a refusal may still come."""
        self._begin, self._head = _NOTHING, b""
        """The begin of the last event, up to its type, and what precedes it in SSE. Most events begin like the one before."""
        self.refusal: Refusal | None = None
        """Set if the first frame refuses the turn. The answer is over then."""
        self.is_over = False
        """Whether the terminal event was read."""
        self.is_broken = False
        """Whether a frame held something else than one event where that matters."""
        self.response_id: str | None = None
        """The id of the response, if it is complete: the next turn may refer to it."""

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
            elif kind in TERMINAL and not self._end(kind, event):
                return b""
        return self._written(kind, text) if text and not self.is_broken else b""

    def _written(self, kind: bytes, text: bytes) -> bytes:
        written = _sse(kind, text)
        if not self._first and kind.startswith(PUSHED):
            self._held = self._held + written if len(self._held) <= MAX_HELD_BYTES else written
            return b""
        if not self.is_over and (first := _TYPE_FIRST.match(text)):
            self._begin, self._head = first[0], _head(kind)
        if self._held:
            written, self._held = self._held + written, b""
        self._first = self._first or text
        return written

    def _end(self, kind: bytes, event: dict[str, object]) -> bool:
        """Note a terminal event. Return False if it is that of the turn before."""
        response_id = _response_id(event)
        if response_id is not None and response_id == self._previous:
            # it is that of this turn as well if the server gives every response one id
            own = _response_id(_parsed(self._first) or {})
            if not self._first or own not in (None, response_id):
                return False
        self.is_over = True
        self.response_id = response_id if kind == b"response.completed" else None
        return True


def _is_rare(text: bytes) -> bool:
    """Return whether a text may hold more than one event, or line ends."""
    return _TWO_TEXTS in text or b"\n" in text or b"\r" in text


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
    found = as_object(event.get("response")).get("id")
    return found if isinstance(found, str) else None


def _refusal(event: dict[str, object]) -> Refusal | None:
    """Return the refusal that an error frame means; None without a status of an error."""
    status = as_int(event.get("status", event.get("status_code")))
    if status is None or not _MIN_STATUS <= status <= _MAX_STATUS:
        return None
    error = as_object(event.get("error"))
    try:
        body = orjson.dumps({"error": error})
    except orjson.JSONEncodeError:
        # orjson reads deeper nesting than it writes
        texts = {name: value for name, value in error.items() if isinstance(value, str)}
        body = orjson.dumps({"error": texts})
    fields = [
        (name.encode(), str(value).encode())
        for name, value in as_object(event.get("headers")).items()
        if name.isascii() and name.lower().encode() not in _MADE_HERE
    ]
    sent = tuple(each for each in fields if bad_name((each,)) is None)
    own = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)))
    code = error.get("code") or error.get("type")
    return Refusal(status, (*own, *sent), body, code if isinstance(code, str) else "")
