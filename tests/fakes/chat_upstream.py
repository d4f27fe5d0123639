"""A strict chat completions upstream: it refuses what the reference API refuses, and streams what it streams.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; `reasoning_content` as DeepSeek's API has it
(https://api-docs.deepseek.com/guides/thinking_mode). Never does: report usage that was not asked for. Invariant: a
stream that was not broken off ends with `[DONE]`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.fakes.model_upstream import (
    KEY,
    Json,
    ModelUpstream,
    Refuse,
    Say,
    Usage,
    pieces,
)
from tests.fakes.wire import Request
from tests.strict.chat import validate

TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error"}


class ChatUpstream(ModelUpstream):
    """`POST /v1/chat/completions`."""

    path = "/v1/chat/completions"

    def events(self, said: Say, body: Json) -> list[bytes]:
        """Every chunk of an answer, with its usage where the request asked for it."""
        events = [_chunk(body, delta, None) for delta in self._deltas(said, body)]
        reason = said.stop or ("tool_calls" if said.calls else "stop")
        events.append(_chunk(body, {}, reason))
        if (options := body.get("stream_options")) and options == {"include_usage": True}:
            events.append(_event({**_frame(body), "choices": [], "usage": _usage(said.usage)}))
        return [*events, b"data: [DONE]\n\n"]

    def _deltas(self, said: Say, body: Json) -> Iterator[Json]:
        yield {"role": "assistant", "content": ""}
        for piece in pieces(said.thought):
            yield {"reasoning_content": piece}
        for piece in pieces(said.text):
            yield {"content": piece}
        if said.beside:
            yield dict(said.beside)
        for index, asked in enumerate(said.calls):
            made = self.wire_call(asked, body)
            function = {"name": made.name, "arguments": ""}
            begin = {"index": index, "id": made.id, "type": "function", "function": function}
            yield {"tool_calls": [begin]}
            for piece in pieces(made.arguments):
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
