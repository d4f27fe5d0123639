"""Builders for the stream-json lines of cursor-agent."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import orjson

_clock = itertools.count(1780000000000)


def line(event: dict[str, Any]) -> bytes:
    return orjson.dumps(event) + b"\n"


def init(source: str = "login") -> bytes:
    return line(
        {"type": "system", "subtype": "init", "apiKeySource": source, "cwd": "/w", "session_id": "s",
         "model": "Composer 2.5", "permissionMode": "default"}
    )  # fmt: skip


def echo(prompt: str = "the prompt") -> bytes:
    return line(
        {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": prompt}]}}
    )


def thinking(text: str) -> bytes:
    return line(
        {"type": "thinking", "subtype": "delta", "text": text, "timestamp_ms": next(_clock)}
    )


THOUGHT = line({"type": "thinking", "subtype": "completed", "timestamp_ms": 1})


def _assistant(text: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return line({"type": "assistant", "message": message, "session_id": "s", **more})


def delta(text: str) -> bytes:
    return _assistant(text, timestamp_ms=next(_clock))


def flush(text: str, call: str = "m-0") -> bytes:
    return _assistant(text, timestamp_ms=next(_clock), model_call_id=call)


def final(text: str) -> bytes:
    return _assistant(text)


def started(call: str, kind: str, **args: Any) -> bytes:
    return line(
        {"type": "tool_call", "subtype": "started", "call_id": call,
         "tool_call": {"hookAdditionalContexts": [], f"{kind}ToolCall": {"args": args}}}
    )  # fmt: skip


def completed(call: str, kind: str, result: dict[str, Any], **args: Any) -> bytes:
    return line(
        {"type": "tool_call", "subtype": "completed", "call_id": call,
         "tool_call": {f"{kind}ToolCall": {"args": args, "result": result}, "toolCallId": call}}
    )  # fmt: skip


def tool(call: str, kind: str = "read", **args: Any) -> bytes:
    return started(call, kind, **args) + completed(call, kind, {"success": {}}, **args)


USAGE = {"inputTokens": 70, "outputTokens": 9, "cacheReadTokens": 30, "cacheWriteTokens": 5}


def result(text: str, **more: Any) -> bytes:
    return line(
        {"type": "result", "subtype": "success", "duration_ms": 1, "is_error": False, "result": text,
         "session_id": "s", **more}
    )  # fmt: skip


def text_deltas(deltas: Iterable[str]) -> bytes:
    return b"".join(map(delta, deltas))
