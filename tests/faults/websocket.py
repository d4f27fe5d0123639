"""What Codex receives over a WebSocket: the same events, and an error frame in place of an HTTP status.

Codex shows a frame with status 400 as it is, so the sentence of a 400 comes in a failed response.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from tests.faults.fault import Fault
from tests.faults.oracle import Seen
from tests.faults.outcomes import Expected, failed, http
from tests.faults.routes import Family
from tests.faults.shim import BOUND_SECONDS, CODEX, RunningShim
from tests.support.websocket import TERMINAL, Closed, Socket, websocket

STOP = "invalid_prompt"
NOT_A_STREAM = 502


def over_websocket(fault: Fault, family: Family) -> Expected:
    """Return what Codex receives where it receives the outcome of a fault by HTTP."""
    expected = fault.pair(family).codex
    if expected.passed and expected.status == 400:
        return failed("context_length_exceeded" if "context" in fault.name else STOP)
    if expected.passed and expected.status == 200:
        return http(NOT_A_STREAM, "upstream_protocol")
    return expected


async def ask(shim: RunningShim) -> tuple[Seen, list[dict[str, Any]]]:
    """Send one turn on a new connection. Return what Codex makes of it, and the events."""
    async with asyncio.timeout(BOUND_SECONDS), websocket(shim.port, CODEX) as socket:
        return await turn(socket, shim)


async def turn(socket: Socket, shim: RunningShim) -> tuple[Seen, list[dict[str, Any]]]:
    """Send one turn on a connection."""
    await socket.send(json.dumps({"type": "response.create", **json.loads(shim.body)}).encode())
    return await answer(socket)


async def answer(socket: Socket) -> tuple[Seen, list[dict[str, Any]]]:
    """Read the answer to a frame that was sent."""
    events: list[dict[str, Any]] = []
    while True:
        text = await socket.text()
        if isinstance(text, Closed):
            return Seen(0), events
        try:
            event = json.loads(text)
        except ValueError:
            # Codex skips a frame that is no JSON
            continue
        if not isinstance(event, dict):
            continue
        events.append(event)
        if event.get("type") in TERMINAL:
            return _seen(events), events


def _seen(events: list[dict[str, Any]]) -> Seen:
    last = events[-1]
    deltas = (e["delta"] for e in events if e.get("type") == "response.output_text.delta")
    if "status" in last:
        error = last["error"]
        seen = Seen(int(last["status"]), retry_after=last["headers"].get("retry-after", ""))
    else:
        is_error = last["type"] == "error"
        error = last if is_error else (last.get("response") or {}).get("error") or {}
        seen = Seen(200, str(last["type"]), text="".join(deltas))
    return replace(
        seen,
        code=str(error.get("code") or ""),
        message=str(error.get("message") or ""),
        error_type=str(error.get("type") or ""),
    )
