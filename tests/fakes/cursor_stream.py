"""Writes the stream-json of the fake cursor-agent, in the shapes of the real one.

Never does: import a module of the product, because it is part of a program of its own.
Source: shapes of stream-json captured from cursor-agent 2025.12 to 2026.08; the values are made up.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SESSION = "5f0c1b7e-0000-4000-8000-00000000c0de"


class EventWriter:
    """Writes events, one per line, and flushes each."""

    def __init__(self) -> None:
        self.now = 1_780_000_000_000

    def line(self, data: bytes) -> None:
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.buffer.flush()

    def event(self, kind: str, **fields: Any) -> None:
        self.line(json.dumps({"type": kind, **fields, "session_id": SESSION}).encode())

    def stamp(self) -> dict[str, int]:
        self.now += 1
        return {"timestamp_ms": self.now}

    def init(self, key_source: str = "login", prompt: bytes = b"") -> None:
        self.event(
            "system",
            subtype="init",
            apiKeySource=key_source,
            cwd=str(Path.cwd()),
            model="Composer 2.5",
            permissionMode="default",
        )
        self.event("user", message=message("user", prompt.decode("utf-8", "replace")))

    def think(self, *texts: str) -> None:
        for text in texts:
            self.event("thinking", subtype="delta", text=text, **self.stamp())
        self.event("thinking", subtype="completed", **self.stamp())

    def deltas(self, *texts: str) -> None:
        for text in texts:
            self.event("assistant", message=message("assistant", text), **self.stamp())

    def flush_before_tool(self, text: str, call: str = "0") -> None:
        self.event(
            "assistant",
            message=message("assistant", text),
            model_call_id=f"{SESSION}-{call}-ab1c",
            **self.stamp(),
        )

    def flush(self, text: str) -> None:
        self.event("assistant", message=message("assistant", text))

    def tool(
        self, kind: str, args: dict[str, Any], result: dict[str, Any], call: str = "call_1\nfc_1"
    ) -> None:
        common = {"call_id": call, "model_call_id": f"{SESSION}-{call}"}
        self.event(
            "tool_call",
            subtype="started",
            tool_call={
                f"{kind}ToolCall": {"args": args},
                "hookAdditionalContexts": [],
                "toolCallId": call,
            },
            **common,
            **self.stamp(),
        )
        self.event(
            "tool_call",
            subtype="completed",
            tool_call={
                f"{kind}ToolCall": {"args": args, "result": result},
                "hookAdditionalContexts": [],
            },
            **common,
            **self.stamp(),
        )

    def result(self, text: str, **fields: Any) -> None:
        done: dict[str, Any] = {
            "subtype": "success",
            "duration_ms": 4889,
            "duration_api_ms": 4889,
            "is_error": False,
            "result": text,
            "request_id": SESSION,
        }
        usage = {
            "inputTokens": 14948,
            "outputTokens": 103,
            "cacheReadTokens": 7049,
            "cacheWriteTokens": 0,
        }
        self.event("result", **{**done, "usage": usage, **fields})


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


class SilentWriter(EventWriter):
    def line(self, data: bytes) -> None:
        """Write nothing."""
