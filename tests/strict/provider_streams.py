"""Typical streamed answers of providers, in the form that each one's reference shows. They share no code with codex-shim."""

from __future__ import annotations

import json
from typing import Any

ARGUMENTS = '{"cmd": "ls"}'
REASONING = "Look first."
USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
DONE = b"data: [DONE]\n\n"


def data(*events: Any) -> bytes:
    """Write events as server-sent events without names."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def chunk(delta: Any = None, finish: str | None = None, **rest: Any) -> dict[str, Any]:
    """Make one chunk of a chat answer."""
    choice = {"index": 0, "delta": delta if delta is not None else {}, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **rest}  # fmt: skip


def call(arguments: str, call_id: str | None = "call_1", **rest: Any) -> dict[str, Any]:
    """Make the delta of a call. Without an id it continues the call."""
    function: dict[str, Any] = {"arguments": arguments}
    named = {} if call_id is None else {"id": call_id, "type": "function"}
    if call_id is not None:
        function["name"] = "exec_command"
    return {"tool_calls": [{"index": 0, **named, "function": function, **rest}]}


def chat(reasoning: str = "", call_id: str = "call_1", *, before: bytes = b"") -> bytes:
    """An answer in OpenAI's form: pieces of reasoning, a call in two pieces, usage in a chunk of its own."""
    thinking = [chunk({reasoning: part}) for part in ("Look ", "first.")] if reasoning else []
    pieces = [chunk(call("", call_id)), chunk(call('{"cmd":', None)), chunk(call(' "ls"}', None))]
    start = chunk({"role": "assistant", "content": ""})
    end = [chunk({}, "tool_calls"), {**chunk(), "choices": [], "usage": USAGE}]
    return before + data(start, *thinking, *pieces, *end) + DONE


def whole_call(reasoning: str = "", call_id: str = "call_1", **of_call: Any) -> bytes:
    """The call in one chunk that also ends the answer and counts, as Mistral, Gemini, xAI and Ollama send it."""
    thinking = (
        [chunk({"role": "assistant", "content": "", reasoning: REASONING})] if reasoning else []
    )
    last = chunk({"role": "assistant", **call(ARGUMENTS, call_id, **of_call)}, "tool_calls", usage=USAGE)  # fmt: skip
    return data(*thinking, last) + DONE


def tagged(tag: str) -> bytes:
    """Reasoning stands in tags at the start of the content."""
    start = [f"<{tag}>Look ", f"first.</{tag}>\n\n"]
    thinking = [chunk({"role": "assistant", "content": part}) for part in start]
    end = [chunk(call(ARGUMENTS)), chunk({}, "tool_calls", usage=USAGE)]
    return data(*thinking, *end) + DONE


def kimi() -> bytes:
    """Kimi: ids of its own form, usage inside the last choice."""
    end = chunk({}, "tool_calls")
    end["choices"][0]["usage"] = USAGE
    thinking = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": REASONING}),
    ]
    return data(*thinking, chunk(call(ARGUMENTS, "functions.exec_command:0")), end) + DONE


def groq(reasoning: str = "reasoning") -> bytes:
    """Groq: usage in `x_groq` of the last chunk."""
    thinking = [chunk({"role": "assistant", reasoning: REASONING})]
    end = chunk({}, "tool_calls", x_groq={"id": "req_1", "usage": USAGE})
    return data(*thinking, chunk(call(ARGUMENTS)), end) + DONE


def openrouter() -> bytes:
    """OpenRouter: comments while it waits, and `reasoning_details` beside `reasoning`."""
    detail = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
    thinking = [
        chunk({"role": "assistant", "content": "", "reasoning": part, "reasoning_details": [{**detail, "text": part}]})
        for part in ("Look ", "first.")
    ]  # fmt: skip
    signed = chunk({"reasoning_details": [{**detail, "signature": "c2ln"}]})
    end = [chunk({}, "tool_calls"), chunk({"role": "assistant", "content": ""}, None, usage=USAGE)]
    return (
        b": OPENROUTER PROCESSING\n\n"
        + data(*thinking, signed, chunk(call(ARGUMENTS)), *end)
        + DONE
    )


def azure() -> bytes:
    """Azure: a first chunk without choices that holds the results of the content filter."""
    filtered = {**chunk(), "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    return data(filtered) + chat()


def anthropic(signature: str = "c2lnbmF0dXJl", *, ping: bool = True) -> bytes:
    """The messages API: thinking with a signature, then a call."""
    blocks: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "usage": {"input_tokens": 100, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
        *([{"type": "ping"}] if ping else []),
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": REASONING}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": signature}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "exec_command", "input": {}}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ARGUMENTS}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]  # fmt: skip
    lines = (b"event: %s\ndata: %s\n\n" % (one["type"].encode(), json.dumps(one).encode()) for one in blocks)  # fmt: skip
    return b"".join(lines)
