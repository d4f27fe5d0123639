"""A strict chat completions upstream: it rejects and streams what the reference API does.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; `reasoning_content` as DeepSeek's API has it
(https://api-docs.deepseek.com/guides/thinking_mode). Never does: report usage that was not requested. Invariant: a
complete stream ends with `[DONE]`.
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
from tests.strict.chat import validate

TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}


class ChatUpstream(ModelUpstream):
    """`POST /v1/chat/completions`."""

    path = "/v1/chat/completions"

    def events(self, answer: ScriptedAnswer, body: Json) -> list[bytes]:
        """Return the chunks of an answer, with usage if the request asks for it."""
        events = [_chunk(body, delta, None) for delta in self._deltas(answer, body)]
        reason = answer.stop or ("tool_calls" if answer.calls else "stop")
        events.append(_chunk(body, {}, reason))
        if (options := body.get("stream_options")) and options == {"include_usage": True}:
            events.append(_event({**_frame(body), "choices": [], "usage": _usage(answer.usage)}))
        return [*events, b"data: [DONE]\n\n"]

    def _deltas(self, answer: ScriptedAnswer, body: Json) -> Iterator[Json]:
        yield {"role": "assistant", "content": ""}
        for piece in pieces(answer.thought):
            yield {"reasoning_content": piece}
        for piece in pieces(answer.text):
            yield {"content": piece}
        if answer.extra_delta:
            yield dict(answer.extra_delta)
        for index, scripted_call in enumerate(answer.calls):
            declared_call = self.call_as_declared(scripted_call, body)
            function = {"name": declared_call.name, "arguments": ""}
            begin = {
                "index": index,
                "id": declared_call.id,
                "type": "function",
                "function": function,
            }
            yield {"tool_calls": [begin]}
            for piece in pieces(declared_call.arguments):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def error_event(self, message: str) -> bytes:
        return _event({"error": {"message": message, "type": "server_error", "code": None}})

    def error_body(self, refuse: Refuse) -> Json:
        kind = TYPES.get(refuse.status, "invalid_request_error")
        error = {"message": refuse.message, "type": kind, "param": None}
        return {"error": {**error, "code": refuse.code or None}}

    def objections_to(self, body: Json) -> list[str]:
        return [*validate(body), *([] if body.get("stream") is True else ["not a stream"])]

    def is_known(self, request: Request) -> bool:
        return request.header("authorization") == f"Bearer {KEY}"

    def declared(self, body: Json) -> list[str]:
        tools = body.get("tools") or []
        assert isinstance(tools, list)
        return [str(tool["function"]["name"]) for tool in tools]


def _frame(body: Json) -> Json:
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1795500000,
        "model": body["model"],
        "system_fingerprint": "fp_fake",
    }


def _chunk(body: Json, delta: Json, reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return _event({**_frame(body), "choices": [choice]})


def _event(document: Json) -> bytes:
    return b"data: %s\n\n" % json.dumps(document, ensure_ascii=False).encode()


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.read,
            "cache_write_tokens": usage.written,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
