"""The drills: what the upstream of each one does, as bytes and pauses. Pure.

Each is a row of docs/faults.md of the same name. Never does: depend on the request. Invariant: only `Hold` keeps the
connection open at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

import orjson

from addons.core.upstream.protocol import Protocol


class End(Enum):
    """How the upstream ends an answer."""

    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"
    """It sends nothing more and waits until the client has gone."""


Action = bytes | End
STALL_SECONDS = 5.0
"""How long a drill is silent before the shim ends the turn. In your own shim it is `stall_seconds`."""
_SHORT_STALL: Mapping[str, float] = {"stall_seconds": STALL_SECONDS}


@dataclass(frozen=True, slots=True)
class Drill:
    """One fault."""

    name: str
    """The name of its row in docs/faults.md."""
    what: str
    """What the upstream does."""
    actions: Callable[[Halves], Sequence[Action]]
    """Of an answer in the protocol of the route."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Limits of the drill's own shim."""


def _sse(*events: Mapping[str, object]) -> bytes:
    return b"".join(
        (b"event: %s\n" % str(kind).encode() if (kind := event.get("type")) else b"")
        + b"data: %s\n\n" % orjson.dumps(event)
        for event in events
    )


@dataclass(frozen=True, slots=True)
class Halves:
    """The streamed answer `hello` in one protocol."""

    begin: bytes
    """Up to the first half of the text."""
    rest: bytes


def _chat(delta: Mapping[str, object], finish: str | None = None) -> Mapping[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}


def _block_delta(text: str) -> Mapping[str, object]:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }


def _event(number: int, kind: str, **fields: object) -> Mapping[str, object]:
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


def _item(status: str, *content: object) -> Mapping[str, object]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": status,
        "content": content,
    }


_PART: Mapping[str, object] = {"type": "output_text", "text": "hello", "annotations": []}
_AT: Mapping[str, object] = {"output_index": 0, "content_index": 0, "item_id": "msg_1"}
_RESPONSE: Mapping[str, object] = {"id": "resp_1", "object": "response", "output": []}
_USAGE: Mapping[str, object] = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 9,
}
ANSWERS: Mapping[Protocol, Halves] = {
    Protocol.CHAT: Halves(
        _sse(_chat({"role": "assistant", "content": "hel"})),
        _sse(
            _chat({"content": "lo"}),
            {**_chat({}, "stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}},
        ) + b"data: [DONE]\n\n",
    ),
    Protocol.MESSAGES: Halves(
        _sse(
            {"type": "message_start", "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                "usage": {"input_tokens": 7, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            _block_delta("hel"),
        ),
        _sse(
            _block_delta("lo"),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ),
    ),
    Protocol.RESPONSES: Halves(
        _sse(
            _event(0, "created", response={**_RESPONSE, "status": "in_progress"}),
            _event(1, "output_item.added", output_index=0, item=_item("in_progress")),
            _event(2, "content_part.added", **_AT, part={**_PART, "text": ""}),
            _event(3, "output_text.delta", **_AT, delta="hel"),
        ),
        _sse(
            _event(4, "output_text.delta", **_AT, delta="lo"),
            _event(5, "output_text.done", **_AT, text="hello"),
            _event(6, "content_part.done", **_AT, part=_PART),
            _event(7, "output_item.done", output_index=0, item=_item("completed", _PART)),
            _event(8, "completed", response={
                **_RESPONSE, "status": "completed", "output": [_item("completed", _PART)], "usage": _USAGE}),
        ),
    ),
}  # fmt: skip
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_PAGE = b"<!doctype html><html><head><title>Bad gateway</title></head></html>"
_LAST_CHUNK = b"0\r\n\r\n"
_NOT_JSON = b'data: {"half": \n\n'


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_PHRASES: Mapping[int, str] = {413: "Content Too Large"}
"""Reason phrases that differ between versions of Python (RFC 9110)."""


def _phrase(status: int) -> str:
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def _whole(status: int, body: bytes, kind: bytes = b"application/json") -> bytes:
    phrase = _phrase(status).encode()
    head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (status, phrase, kind, len(body)) + body


_DETAILS: Mapping[str, str] = {
    "context": ": the conversation is too long",
    "usage-limit": ": the usage limit is reached",
}


def _refusal(status: int, what: str = "", **error: object) -> Drill:
    """Return a drill whose upstream answers with an error status."""
    number = str(status)
    fields = {"message": "A drill, with this message of the upstream.", "type": "error", **error}
    answer = _whole(status, orjson.dumps({"error": fields}))
    name = f"{number}-{what}" if what else number
    text = f"answers {number} {_phrase(status)}{_DETAILS.get(what, '')}"
    return Drill(name, text, lambda _: (answer,))


def _stream(name: str, what: str, end: Action, limits: Mapping[str, float] | None = None) -> Drill:
    """Return a drill whose upstream begins an answer, and then ends as said."""
    return Drill(name, what, lambda answer: (_STREAM, _chunk(answer.begin), end), limits or {})


def _bad_json(answer: Halves) -> Sequence[Action]:
    return _STREAM, _chunk(answer.begin + _NOT_JSON + answer.rest), _LAST_CHUNK


DRILLS: Sequence[Drill] = (
    _refusal(400),
    _refusal(400, "context", code="context_length_exceeded"),
    _refusal(401, code="token_expired"),
    _refusal(403),
    _refusal(404),
    _refusal(413),
    _refusal(429),
    _refusal(429, "usage-limit", message="A drill: you have hit your usage limit.", type="usage_limit_reached",
             plan_type="plus", resets_in_seconds=3600),
    _refusal(500),
    _refusal(502),
    _refusal(503),
    Drill("502-html", "answers 502 with an HTML page", lambda _: (_whole(502, _PAGE, b"text/html"),)),
    Drill("close", "closes the connection instead of answering", lambda _: (End.CLOSE,)),
    Drill("stall-before-head", "accepts the request and does not answer", lambda _: (End.HOLD,), _SHORT_STALL),
    Drill("empty-stream", "answers 200 and an empty stream", lambda _: (_STREAM, _LAST_CHUNK)),
    _stream("cut", "closes inside its answer", End.CLOSE),
    _stream("reset-in-stream", "resets the connection inside its answer", End.RESET),
    _stream("clean-end", "ends its body before the answer is complete", _LAST_CHUNK),
    _stream("stall", "stalls inside its answer", End.HOLD, _SHORT_STALL),
    Drill("bad-json", "sends an event that is not JSON", _bad_json),
)  # fmt: skip
ALIASES: Mapping[str, str] = {"expired-login": "401", "slow": "stall", "usage-limit": "429-usage-limit"}  # fmt: skip
"""Other names of drills. `expired-login` is about the ChatGPT route."""
EXPIRED_LOGIN = "expired-login"


def find(name: str) -> Drill | None:
    """Return the drill of a name or an alias."""
    wanted = ALIASES.get(name, name)
    return next((drill for drill in DRILLS if drill.name == wanted), None)
