"""Answers and turns to compare."""

from __future__ import annotations

import orjson

from addons.core.usage import Usage
from addons.core.what_if.answer import COMPLETED, Answer, Call
from addons.core.what_if.original import Original

CODEX = (
    (b"originator", b"codex_exec"),
    (b"thread-id", b"t1"),
    (b"session-id", b"t1"),
    (b"x-codex-turn-metadata", b'{"thread_id":"t1"}'),
    (b"x-codex-turn-state", b"sticky"),
    (b"authorization", b"<kept by codex-shim>"),
    (b"content-encoding", b"identity"),
    (b"User-Agent", b"codex_exec/0.171.0"),
    (b"x-openai-internal-codex-responses-lite", b"true"),
)


def body_of(model: str = "row", **fields: object) -> bytes:
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    return orjson.dumps({"model": model, "input": [message], "stream": True, **fields})


def answer(slug: str = "row", text: str = "Hello there.", **fields: object) -> Answer:
    """A complete answer."""
    made = Answer(slug, COMPLETED, "deepseek", "deepseek-chat", "DeepSeek", text=text)
    made.calls = [Call("exec_command", '{"cmd":"ls","n":3}')]
    made.usage = Usage(1200, 1000, 34, 10, 1234)
    made.first_seconds, made.seconds = 0.5, 2.25
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def original(body: bytes = b"", recorded: Answer | None = None) -> Original:
    headers = ((b"originator", b"codex_exec"),)
    return Original("abc12345-6789", "row", headers, body or body_of(), recorded)


def stream(*events: object) -> bytes:
    return b"".join(b"data: %s\n\n" % orjson.dumps(event) for event in events)


EVENTS: tuple[dict[str, object], ...] = (
    {"type": "response.created", "response": {"id": "r"}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "Hel"},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "lo."},
    {"type": "response.output_item.done", "output_index": 0,
     "item": {"type": "message", "content": [{"type": "output_text", "text": "Hello."}]}},
    {"type": "response.output_item.done", "output_index": 1,
     "item": {"type": "function_call", "name": "read", "namespace": "mcp__files", "arguments": '{"a":1}'}},
    {"type": "response.output_item.done", "output_index": 2,
     "item": {"type": "web_search_call", "action": {"query": "x"}}},
    {"type": "response.completed", "response": {"id": "r", "usage": {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15}}},
)  # fmt: skip
