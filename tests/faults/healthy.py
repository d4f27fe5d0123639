"""The answer `hello` of a healthy upstream in each protocol, divided where a fault can occur.

Written by hand from the API references of the providers. It shares no code with the shim.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

TEXT = "hello"


def sse(*events: dict[str, object]) -> bytes:
    """Return these events. An event with a type is named by it."""
    lines = []
    for event in events:
        kind = event.get("type")
        name = f"event: {kind}\n" if kind else ""
        lines.append(f"{name}data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()


@dataclass(frozen=True)
class HealthyAnswer:
    """One answer in parts. `begin + middle + end + tail` is the whole stream."""

    begin: bytes
    """Everything up to the first half of the text, inclusive."""
    middle: bytes
    """The second half of the text, one event."""
    end: bytes
    """The rest up to the terminal event, inclusive."""
    tail: bytes
    """Optional events after it: usage and `[DONE]`."""
    error: bytes
    """An error event, which ends the stream."""
    again: bytes
    """The terminal event once more."""
    whole: bytes
    """The same answer as JSON."""

    @property
    def all(self) -> bytes:
        """The whole stream."""
        return self.begin + self.middle + self.end + self.tail


# Chat completions ---------------------------------------------------------------------------------------------


def _chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]}


_CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
_CHAT_STOP = sse(_chunk({}, "stop"))
CHAT = HealthyAnswer(
    begin=sse(_chunk({"role": "assistant", "content": "hel"})),
    middle=sse(_chunk({"content": "lo"})),
    end=_CHAT_STOP,
    tail=sse({"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": _CHAT_USAGE})
    + b"data: [DONE]\n\n",
    error=sse({"error": {"message": "internal failure", "type": "server_error", "code": 500}}),
    again=_CHAT_STOP,
    whole=json.dumps(
        {
            "id": "c-1",
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": TEXT},
                    "finish_reason": "stop",
                }
            ],
            "usage": _CHAT_USAGE,
        }
    ).encode(),
)

# Messages -----------------------------------------------------------------------------------------------------


def _text_delta(text: str) -> dict[str, object]:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }


_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
_MESSAGE_STOP: tuple[dict[str, object], ...] = (
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)
MESSAGES = HealthyAnswer(
    begin=sse(
        {
            "type": "message_start",
            "message": {
                **_MESSAGE,
                "content": [],
                "usage": {"input_tokens": 7, "output_tokens": 1},
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        },
        _text_delta("hel"),
    ),
    middle=sse(_text_delta("lo")),
    end=sse({"type": "content_block_stop", "index": 0}, *_MESSAGE_STOP),
    tail=b"",
    error=sse({"type": "error", "error": {"type": "api_error", "message": "internal failure"}}),
    again=sse(*_MESSAGE_STOP),
    whole=json.dumps(
        {
            **_MESSAGE,
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 7, "output_tokens": 2},
        }
    ).encode(),
)

# Responses ----------------------------------------------------------------------------------------------------


def _response(status: str, output: list[object], usage: object = None) -> dict[str, object]:
    return {
        "id": "resp_up1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "m",
        "output": output,
        "usage": usage,
        "error": None,
        "incomplete_details": None,
    }


_PART = {"type": "output_text", "text": TEXT, "annotations": []}
_ITEM: dict[str, object] = {"id": "msg_up1", "type": "message", "role": "assistant"}
_DONE_ITEM = {**_ITEM, "status": "completed", "content": [_PART]}
_AT = {"item_id": "msg_up1", "output_index": 0, "content_index": 0}
_USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 9,
}
_FINAL = _response("completed", [_DONE_ITEM], _USAGE)


def _numbered(first: int, *events: dict[str, object]) -> bytes:
    return sse(*({**event, "sequence_number": first + n} for n, event in enumerate(events)))


_COMPLETED = _numbered(8, {"type": "response.completed", "response": _FINAL})
RESPONSES = HealthyAnswer(
    begin=_numbered(
        0,
        {"type": "response.created", "response": _response("in_progress", [])},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**_ITEM, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **_AT, "part": {**_PART, "text": ""}},
        {"type": "response.output_text.delta", **_AT, "delta": "hel"},
    ),
    middle=_numbered(4, {"type": "response.output_text.delta", **_AT, "delta": "lo"}),
    end=_numbered(
        5,
        {"type": "response.output_text.done", **_AT, "text": TEXT},
        {"type": "response.content_part.done", **_AT, "part": _PART},
        {"type": "response.output_item.done", "output_index": 0, "item": _DONE_ITEM},
    )
    + _COMPLETED,
    tail=b"",
    error=_numbered(
        5, {"type": "error", "code": "server_error", "message": "internal failure", "param": None}
    ),
    again=_COMPLETED,
    whole=json.dumps(_FINAL).encode(),
)
