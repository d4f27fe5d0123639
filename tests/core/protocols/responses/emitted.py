"""Answers that the emitter writes, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from addons.core.errors import Problem
from addons.core.protocols.canonical.events import (
    Event,
    Stopped,
    StopReason,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.responses.emitter import Emitter
from addons.core.protocols.responses.stop_mapping import Client
from addons.core.usage import Usage
from tests.conformance import check, parse

USAGE = Usage(10, 4, 7, 3, 17)
END = Stopped(StopReason.END)
TOOLS = Stopped(StopReason.TOOL_CALLS)
PROBLEM = Problem(502, "stream_interrupted", "The connection to up.example was lost.")


def emitter(client: Client = Client.CODEX, echo: Mapping[str, object] | None = None) -> Emitter:
    return Emitter("resp_0a1b", 1_700_000_000, "stub", echo or {}, client)


def stream(*events: Event, client: Client = Client.CODEX) -> bytes:
    return emitter(client).emit(events)


def final_response(*events: Event, client: Client = Client.CODEX) -> dict[str, Any]:
    """Return the final response of a turn, after checking its stream."""
    response = check(stream(*events, client=client))["response"]
    assert isinstance(response, dict)
    return response


def types(*events: Event, client: Client = Client.CODEX) -> list[str]:
    return [event["type"].removeprefix("response.") for event in parse(stream(*events, client=client))]  # fmt: skip


def call(index: int, *arguments: str, **start: Any) -> list[Event]:
    return [
        ToolCallStart(index, f"call_{index}", "exec", **start),
        *(ToolCallDelta(index, text) for text in arguments),
        ToolCallEnd(index),
    ]
