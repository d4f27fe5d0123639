"""A strict Anthropic messages upstream: it rejects and streams what the real API does.

Source: https://docs.anthropic.com/en/api/messages-streaming and /en/docs/build-with-claude/extended-thinking. Never
does: think without a request for it. Invariant: a complete stream ends with `message_stop`;
input tokens do not include those of the cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.fakes.http_messages import Request
from tests.fakes.model_upstream import (
    KEY,
    Json,
    ModelUpstream,
    Refuse,
    ScriptedAnswer,
    Usage,
    pieces,
)
from tests.strict.messages import validate

SIGNATURE = "RmFicmljYXRlZCBzaWduYXR1cmUgb2YgYSB0aG91Z2h0"
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class MessagesUpstream(ModelUpstream):
    """`POST /v1/messages`."""

    path = "/v1/messages"

    def events(self, answer: ScriptedAnswer, body: Json) -> list[bytes]:
        """Return the events of an answer, including a ping."""
        usage = _input_usage(answer.usage)
        message = {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        events = [_event("message_start", message=message), _event("ping")]
        for index, (block, deltas) in enumerate(self._blocks(answer, body)):
            events.append(_event("content_block_start", index=index, content_block=block))
            events += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
            events.append(_event("content_block_stop", index=index))
        reason = answer.stop or ("tool_use" if answer.calls else "end_turn")
        delta = {"stop_reason": reason, "stop_sequence": None}
        counted = {**usage, "output_tokens": answer.usage.output}
        return [
            *events,
            _event("message_delta", delta=delta, usage=counted),
            _event("message_stop"),
        ]

    def _blocks(self, answer: ScriptedAnswer, body: Json) -> Iterator[tuple[Json, list[Json]]]:
        if answer.thought and thinks(body):
            yield {"type": "thinking", "thinking": "", "signature": ""}, _thought(answer.thought)
        if answer.text:
            deltas: list[Json] = [
                {"type": "text_delta", "text": piece} for piece in pieces(answer.text)
            ]
            yield {"type": "text", "text": ""}, deltas
        for scripted_call in answer.calls:
            declared_call = self.call_as_declared(scripted_call, body)
            parts = ("", *pieces(declared_call.arguments))
            yield (
                {
                    "type": "tool_use",
                    "id": declared_call.id,
                    "name": declared_call.name,
                    "input": {},
                },
                [{"type": "input_json_delta", "partial_json": part} for part in parts],
            )

    def error_event(self, message: str) -> bytes:
        return _event("error", error={"type": "overloaded_error", "message": message})

    def error_body(self, refuse: Refuse) -> Json:
        kind = TYPES.get(refuse.status, "api_error")
        error = {"type": kind, "message": refuse.message}
        return {"type": "error", "error": error, "request_id": "req_fake_1"}

    def objections_to(self, body: Json) -> list[str]:
        return [*validate(body), *([] if body.get("stream") is True else ["not a stream"])]

    def is_known(self, request: Request) -> bool:
        return (
            request.header("x-api-key") == KEY
            and request.header("authorization") is None
            and request.header("anthropic-version") == "2023-06-01"
        )

    def declared(self, body: Json) -> list[str]:
        tools = body.get("tools") or []
        assert isinstance(tools, list)
        return [str(tool["name"]) for tool in tools]


def thinks(body: Json) -> bool:
    """Return whether the request enables thinking."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def _thought(text: str) -> list[Json]:
    deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(text)]
    return [*deltas, {"type": "signature_delta", "signature": SIGNATURE}]


def _event(kind: str, **fields: object) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _input_usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input - usage.read - usage.written,
        "cache_read_input_tokens": usage.read,
        "cache_creation_input_tokens": usage.written,
    }
