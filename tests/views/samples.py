"""Requests and answers of every protocol, and the plain data of a turn as the engine records it."""

from __future__ import annotations

import orjson

from tests.fakes.chat_upstream import ChatUpstream
from tests.fakes.messages_upstream import MessagesUpstream
from tests.fakes.model_upstream import Json, ScriptedAnswer, command

ANSWER = ScriptedAnswer(
    text="I will look.", thought="First a list.", calls=(command("ls -la\necho done"),)
)

RESPONSES_REQUEST: Json = {
    "model": "fast",
    "stream": True,
    "reasoning": {"effort": "medium"},
    "instructions": "You are a coding agent. " * 200 + "THE END",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Fix the\nbug"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think."}], "encrypted_content": "x" * 40},
        {
            "type": "function_call",
            "name": "add_one",
            "namespace": "mcp__srv",
            "call_id": "call_1",
            "arguments": '{"n": 41}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "42"}]},
        {"type": "custom_tool_call", "name": "apply_patch", "call_id": "call_2", "input": "*** Begin Patch\n+x"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
        {"type": "something_new", "weight": 3},
    ],
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "parameters": {"type": "object", "properties": {"cmd": {}, "tty": {}}, "required": ["cmd"]},
        },
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
        {"type": "namespace", "name": "mcp__srv", "tools": [{"type": "function", "name": "add_one"}]},
        {"type": "web_search"},
    ],
}  # fmt: skip

CHAT_REQUEST: Json = {
    "model": "fake-chat",
    "messages": [
        {"role": "system", "content": "You are a coding agent."},
        {"role": "user", "content": [{"type": "text", "text": "Fix the bug"}]},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "First a list.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "add_one", "arguments": '{"n": 41}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ],
    "tools": [{"type": "function", "function": {"name": "add_one", "parameters": {"properties": {"n": {}}}}}],
    "stream": True,
}  # fmt: skip

MESSAGES_REQUEST: Json = {
    "model": "claude-fake",
    "max_tokens": 1000,
    "system": [{"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Fix the bug"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "First a list.", "signature": "abc"},
                {"type": "tool_use", "id": "toolu_1", "name": "add_one", "input": {"n": 41}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42", "is_error": True},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "text", "text": "Go on", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ],
    "tools": [{"name": "add_one", "input_schema": {"properties": {"n": {}}, "required": ["n"]}}],
}  # fmt: skip

USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1000},
    "output_tokens": 34,
    "output_tokens_details": {"reasoning_tokens": 10},
    "total_tokens": 1234,
}
MESSAGE_ITEM = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I will look."}]}  # fmt: skip
CALL_ITEM = {
    "type": "function_call",
    "name": "exec_command",
    "call_id": "call_1",
    "arguments": '{"cmd": "ls -la\\necho done"}',
}
RESPONSES_EVENTS: list[Json] = [
    {"type": "response.created", "response": {"id": "resp_1", "model": "fast"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "role": "assistant"}},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "I will "},
    {"type": "response.output_text.delta", "output_index": 0, "delta": "look."},
    {"type": "response.heartbeat"},
    {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE_ITEM},
    {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 42, "window_minutes": 300}}},
    {"type": "response.output_item.done", "output_index": 1, "item": CALL_ITEM},
    {"type": "response.completed", "response": {"id": "resp_1", "usage": USAGE}},
]  # fmt: skip

CURSOR_EVENTS: list[Json] = [
    {"type": "system", "subtype": "init", "model": "Composer 2.5", "session_id": "s"},
    {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": "the prompt"}]}},
    {"type": "thinking", "subtype": "delta", "text": "Reading ", "timestamp_ms": 1000},
    {"type": "thinking", "subtype": "delta", "text": "files", "timestamp_ms": 1200},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hel"}]}, "timestamp_ms": 2000},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "lo"}]}, "timestamp_ms": 2100},
    {
        "type": "assistant",
        "message": {"content": [{"type": "text", "text": "Hello"}]},
        "model_call_id": "m",
        "timestamp_ms": 2200,
    },
    {
        "type": "tool_call",
        "subtype": "started",
        "tool_call": {"readToolCall": {"args": {"path": "a.py"}}},
        "timestamp_ms": 3500,
    },
    {
        "type": "tool_call",
        "subtype": "completed",
        "tool_call": {"readToolCall": {"result": {"success": {"totalLines": 3}}}},
        "timestamp_ms": 3600,
    },
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Hello",
        "usage": {"inputTokens": 100, "outputTokens": 5, "cacheReadTokens": 50, "cacheWriteTokens": 10},
    },
]  # fmt: skip


def sse(events: list[Json]) -> bytes:
    """Return named events, as the Responses API sends them."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), orjson.dumps(e)) for e in events
    )


def chat_stream(answer: ScriptedAnswer = ANSWER) -> bytes:
    """Return the answer of a chat completions upstream, with usage. No server is started."""
    body: Json = {"model": "fake-chat", "stream_options": {"include_usage": True}}
    return b"".join(ChatUpstream.__new__(ChatUpstream).events(answer, body))


def messages_stream(answer: ScriptedAnswer = ANSWER) -> bytes:
    """Return the answer of a messages upstream, with thinking."""
    body: Json = {"model": "claude-fake", "thinking": {"type": "enabled"}, "tools": []}
    return b"".join(MessagesUpstream.__new__(MessagesUpstream).events(answer, body))


def ndjson(events: list[Json] = CURSOR_EVENTS) -> bytes:
    """Return the output of cursor-agent."""
    return b"".join(orjson.dumps(event) + b"\n" for event in events)


def attempt(
    body: bytes, answer: bytes, status: int = 200, reason: str = "first", url: str = ""
) -> Json:
    """Return the plain data of one attempt."""
    return {
        "url": url or "https://api.example.com/v1/messages",
        "reason": reason,
        "request": {
            "method": "POST",
            "headers": [["content-type", "application/json"], ["x-api-key", "<kept by codex-shim>"]],
            "body": body,
            "cut": False,
        },
        "answer": {
            "status": status,
            "headers": [["x-codex-primary-used-percent", "42"], ["x-codex-primary-window-minutes", "300"]],
            "body": answer,
            "cut": False,
        },
        "started": 1000.0,
        "first_byte": 0.4,
        "seconds": 3.1,
        "outcome": "relayed",
    }  # fmt: skip


def metadata(*attempts: Json) -> Json:
    """Return the plain data of a turn."""
    return {
        "slug": "fast",
        "route": "anthropic",
        "model": "claude-fake",
        "thread": "00000000-0000-7000-8000-000000000001",
        "dropped": ["tool web_search"],
        "attempts": list(attempts),
        "terminal": "response.completed",
        "error": "",
        "ended": "",
        "usage": {"input": 1200, "cached": 1000, "cache_written": 0, "output": 34, "reasoning": 10},
        "ttft": 0.82,
        "seconds": 3.24,
        "bytes_in": 10,
        "bytes_out": 20,
    }
