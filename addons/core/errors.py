"""Errors for the client: one record, sent as HTTP JSON or as a stream of one `response.failed` event.

Codex retries up to thirty times on an HTTP error status and shows the message only in some cases. A 200 stream that
ends in `response.failed` with the right code stops it and shows the message (measured with Codex 0.169). Other clients
need the status for their typed exceptions. Invariant: every `FaultKind` has a row in `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from addons.core.turn import Fault, FaultKind, Head, Reply

JSON_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
SSE_HEADERS = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))
INVALID_PROMPT = "invalid_prompt"
"""The error code at which Codex stops and shows the message. It retries on codes that it does not know (Codex 0.169)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `message` states what happened, where, and the next command to type.

    `status` is for clients other than Codex. `code` decides what Codex does: at `invalid_prompt` it stops and shows
    the message, and at an unknown code it retries with growing pauses.
    """

    status: int
    code: str
    message: str
    type: str = "codex_shim_error"

    def body(self) -> bytes:
        """Return the JSON body in the form of the OpenAI API."""
        return orjson.dumps(
            {
                "error": {
                    "message": self.message,
                    "type": self.type,
                    "param": None,
                    "code": self.code,
                }
            }
        )

    def reply(self) -> Reply:
        """Return the HTTP response for SDKs, curl and browsers."""
        return Reply(Head(self.status, JSON_HEADERS), self.body())


def sse_event(name: str, data: dict[str, object]) -> bytes:
    """Return one SSE event in the form of the OpenAI API: event line, one data line, blank line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


def failed_event(
    problem: Problem, *, response: Mapping[str, object] | None = None, sequence_number: int = 0
) -> bytes:
    """Return the terminal `response.failed` event. `response` is the object of `response.created`, if there was one."""
    body: dict[str, object] = {
        "id": "resp_shim_failed",
        "object": "response",
        "created_at": 0,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **(response or {}),
        "status": "failed",
        "error": {"code": problem.code, "message": problem.message},
    }
    return sse_event(
        "response.failed",
        {"type": "response.failed", "sequence_number": sequence_number, "response": body},
    )


def failed_stream(problem: Problem) -> Reply:
    """Return the response for a Codex client: a 200 stream of one terminal event."""
    return Reply(Head(200, SSE_HEADERS), failed_event(problem))


def error_reply(problem: Problem, *, to_codex: bool) -> Reply:
    """Return the response in the form that the client handles correctly."""
    return failed_stream(problem) if to_codex else problem.reply()


# Fault → status for clients other than Codex, code, message. `{where}` is the upstream, `{detail}` the text of the fault.
FAULTS: dict[FaultKind, tuple[int, str, str]] = {
    FaultKind.CONNECT: (502, "upstream_unreachable", "codex-shim could not connect to {where}: {detail}. Check the network or proxy settings, then `codex-shim doctor`."),
    FaultKind.TLS: (502, INVALID_PROMPT, "codex-shim does not trust the certificate of {where}: {detail}. See certs/README.md for adding a CA file."),
    FaultKind.UPGRADE: (502, "upstream_unreachable", "{where} opened no WebSocket: {detail}. Set `chatgpt.transport` in models.json to `http`."),
    FaultKind.RESET: (502, "upstream_closed", "{where} closed the connection before it answered: {detail}."),
    FaultKind.PROTOCOL: (502, "upstream_protocol", "{where} did not send valid HTTP: {detail}."),
    FaultKind.CUT: (502, "stream_interrupted", "{where} ended the connection in the middle of its answer: {detail}."),
    FaultKind.STALL: (504, "upstream_stalled", "{where} was silent for too long: {detail}."),
    FaultKind.UNREAD: (503, "answer_unread", "The client accepted {detail} of its answer (`unread_seconds`), so codex-shim ended the turn. Send it again."),
    FaultKind.KILLED: (503, INVALID_PROMPT, "This turn was ended by hand in mitmproxy."),
    FaultKind.SHUTDOWN: (503, "shutting_down", "codex-shim is shutting down. Start it again with `codex-shim serve`."),
    FaultKind.INTERNAL: (500, "shim_bug", "codex-shim failed internally: {detail}."),
}  # fmt: skip


def problem_of(fault: Fault) -> Problem:
    """Return the error of a fault, from the table."""
    status, code, text = FAULTS[fault.kind]
    where = str(fault.origin) if fault.origin else "the upstream"
    return Problem(status, code, text.format(where=where, detail=fault.detail))
