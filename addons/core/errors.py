"""What a user is told when something fails: one record, told as HTTP JSON or as a `response.failed` stream.

A Codex client treats an HTTP error status as a reason to try again up to thirty times and reads the message only in
some cases; a 200 stream that ends in `response.failed` with the right code does what is meant (measured, Codex
0.169). Other clients need the status for their typed exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from addons.core.turn import Fault, FaultKind, Head, Reply

JSON_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
SSE_HEADERS = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))


@dataclass(frozen=True, slots=True)
class Problem:
    """One error for the client: `message` says what happened, where, and the next command to type.

    `status` is for clients other than Codex; `code` decides what Codex does (`invalid_prompt`: stop and show the
    message; an unknown code: try again with a growing pause).
    """

    status: int
    code: str
    message: str
    type: str = "codex_shim_error"

    def body(self) -> bytes:
        """The OpenAI-shaped JSON body."""
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
        """The HTTP answer for SDKs, curl and browsers."""
        return Reply(Head(self.status, JSON_HEADERS), self.body())


def sse_event(name: str, data: dict[str, object]) -> bytes:
    """Write one SSE event in the form of the OpenAI API: event line, one data line, blank line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


def failed_event(
    problem: Problem, *, response: Mapping[str, object] | None = None, sequence_number: int = 0
) -> bytes:
    """Write the terminal `response.failed` event. `response` is what `response.created` announced, if known."""
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
    """The answer for a Codex client: a 200 stream that is one terminal event."""
    return Reply(Head(200, SSE_HEADERS), failed_event(problem))


def told(problem: Problem, *, to_codex: bool) -> Reply:
    """Tell a problem in the form that the client acts on rightly."""
    return failed_stream(problem) if to_codex else problem.reply()


# fault → (status for other clients, code, what happened). `{where}` is the upstream, `{detail}` the fault's own text.
FAULTS: dict[FaultKind, tuple[int, str, str]] = {
    FaultKind.CONNECT: (502, "upstream_unreachable", "codex-shim could not connect to {where}: {detail}. Check the network or proxy settings, then `codex-shim doctor`."),
    FaultKind.TLS: (502, "invalid_prompt", "codex-shim does not trust the certificate of {where}: {detail}. See certs/README.md for adding a CA file."),
    FaultKind.RESET: (502, "upstream_closed", "{where} closed the connection before it answered: {detail}."),
    FaultKind.PROTOCOL: (502, "upstream_protocol", "{where} did not speak valid HTTP: {detail}."),
    FaultKind.CUT: (502, "stream_interrupted", "{where} broke off in the middle of its answer: {detail}."),
    FaultKind.STALL: (504, "upstream_stalled", "{where} was silent for too long: {detail}."),
    FaultKind.KILLED: (503, "invalid_prompt", "This turn was ended by hand in mitmproxy."),
    FaultKind.SHUTDOWN: (503, "shutting_down", "codex-shim is shutting down. Start it again with `codex-shim serve`."),
    FaultKind.INTERNAL: (500, "shim_bug", "codex-shim failed inside: {detail}."),
}  # fmt: skip


def problem_of(fault: Fault) -> Problem:
    """Look a fault up in the table."""
    status, code, text = FAULTS[fault.kind]
    where = str(fault.origin) if fault.origin else "the upstream"
    return Problem(status, code, text.format(where=where, detail=fault.detail))
