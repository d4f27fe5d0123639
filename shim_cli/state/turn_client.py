"""Send one turn to a running shim and read its answer.

Never does: use a proxy of the environment, wait longer than `SILENCE_SECONDS` for the next byte. Invariant: a turn ends
in a `TurnResult`; whatever goes wrong is its `problem`, never an exception.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from addons.core.headers import TOKEN_HEADER
from addons.core.json_values import as_object, as_str
from addons.core.protocols.sse import SseReader, parse_block
from addons.core.usage import Usage
from shim_cli.console.reasons import reason_of

KEY_SECONDS = 10.0
"""How long the key of an auth_command may take."""
POLL_SECONDS = 0.2
SILENCE_SECONDS = 90.0
"""The shim sends a heartbeat every 15 s (`heartbeat_seconds`)."""
MAX_EVENT_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024
OK = 200
INSTRUCTIONS = "Be brief."
KEY_PENDING = "key_pending"
"""The code with which the shim answers while an auth_command runs."""
UNREACHABLE, CUT = "shim_unreachable", "answer_cut"


@dataclass(frozen=True, slots=True)
class TurnProblem:
    """Why a turn failed. `code` is an error code of the shim, or one of this module."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the model made. Nothing runs it."""

    name: str
    arguments: str


@dataclass(slots=True)
class TurnResult:
    """One turn. Times are in seconds."""

    slug: str
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    seconds: float = 0.0
    first_text_seconds: float | None = None
    problem: TurnProblem | None = None

    def plain(self) -> dict[str, object]:
        """Return the turn as JSON values."""
        problem = self.problem
        return {
            "slug": self.slug,
            "ok": problem is None,
            "text": self.text,
            "calls": [{"name": one.name, "arguments": one.arguments} for one in self.calls],
            "usage": self.usage.plain() if self.usage else None,
            "seconds": round(self.seconds, 3),
            "first_text_seconds": (
                None if self.first_text_seconds is None else round(self.first_text_seconds, 3)
            ),
            "problem": {"code": problem.code, "message": problem.message} if problem else None,
        }


@dataclass(frozen=True, slots=True)
class ShimClient:
    """The shim at `url`, with the local token that it may require."""

    url: str
    token: str

    def run(self, slug: str, text: str, on_text: Callable[[str], object]) -> TurnResult:
        """Run one turn. `on_text` is called with each part of the answer's text as it arrives."""
        deadline = time.monotonic() + KEY_SECONDS
        while True:
            result = self._run_once(slug, text, on_text)
            is_pending = result.problem is not None and result.problem.code == KEY_PENDING
            if not is_pending or time.monotonic() > deadline:
                return result
            time.sleep(POLL_SECONDS)

    def _run_once(self, slug: str, text: str, on_text: Callable[[str], object]) -> TurnResult:
        turn = _Turn(TurnResult(slug), on_text, time.monotonic())
        connection = self._connect()
        try:
            connection.request("POST", "/v1/responses", _body(slug, text), self._headers())
            turn.read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            turn.fail_without_answer(error)
        finally:
            connection.close()
        turn.result.seconds = time.monotonic() - turn.start
        return turn.result

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SILENCE_SECONDS)

    def _headers(self) -> dict[str, str]:
        token = {TOKEN_HEADER: self.token} if self.token else {}
        return {"content-type": "application/json", "accept": "text/event-stream", **token}


def _body(slug: str, text: str) -> bytes:
    # The ChatGPT backend takes no plain string as input, and older versions of it nothing without instructions.
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    fields = {"instructions": INSTRUCTIONS, "input": [message], "stream": True, "store": False}
    return json.dumps({"model": slug, **fields}).encode()


@dataclass(slots=True)
class _Turn:
    """One turn while its answer is read."""

    result: TurnResult
    on_text: Callable[[str], object]
    start: float
    is_answered: bool = False
    has_ended: bool = False

    def read(self, response: http.client.HTTPResponse) -> None:
        """Read the answer to its end."""
        self.is_answered = True
        if response.status != OK:
            self._refused(response.status, response.read(MAX_EVENT_BYTES))
            return
        for event in _events(response):
            self._on_event(event)
        if not self.has_ended:
            self._fail(CUT, "codex-shim ended the answer before its last event")

    def fail_without_answer(self, error: Exception) -> None:
        """Note that the connection to the shim failed."""
        if self.is_answered:
            self._fail(CUT, f"the connection to codex-shim failed: {reason_of(error)}")
        else:
            self._fail(UNREACHABLE, f"codex-shim did not answer: {reason_of(error)}")

    def _refused(self, status: int, body: bytes) -> None:
        try:
            error = as_object(as_object(json.loads(body)).get("error"))
        except ValueError:
            error = {}
        message = as_str(error.get("message")) or f"codex-shim answered with status {status}"
        self._fail(as_str(error.get("code")) or str(status), message)

    def _on_event(self, event: Mapping[str, object]) -> None:
        response = as_object(event.get("response"))
        match event.get("type"):
            case "response.output_text.delta":
                self._on_delta(as_str(event.get("delta")))
            case "response.output_item.done":
                self._on_item(as_object(event.get("item")))
            case "response.completed":
                self._end(response)
            case "response.incomplete":
                self._end(response)
                reason = as_str(as_object(response.get("incomplete_details")).get("reason"))
                self._fail("incomplete", f"the answer is incomplete: {reason or 'no reason given'}")
            case "response.failed":
                self._end(response)
                error = as_object(response.get("error"))
                message = as_str(error.get("message")) or "no reason given"
                self._fail(as_str(error.get("code")) or "failed", message)

    def _on_delta(self, text: str) -> None:
        if self.result.first_text_seconds is None:
            self.result.first_text_seconds = time.monotonic() - self.start
        self.result.text += text
        self.on_text(text)

    def _on_item(self, item: Mapping[str, object]) -> None:
        kind = as_str(item.get("type"))
        if kind.endswith("_call"):
            arguments = as_str(item.get("arguments")) or as_str(item.get("input"))
            self.result.calls.append(ToolCall(as_str(item.get("name")) or kind, arguments))

    def _end(self, response: Mapping[str, object]) -> None:
        self.has_ended = True
        self.result.usage = Usage.of(response.get("usage"))

    def _fail(self, code: str, message: str) -> None:
        self.result.problem = TurnProblem(code, message)


def _events(response: http.client.HTTPResponse) -> Iterator[Mapping[str, object]]:
    reader = SseReader(MAX_EVENT_BYTES)
    while data := response.read1(READ_BYTES):
        yield from map(_parsed, reader.feed(data))
    yield from map(_parsed, reader.finish())


def _parsed(block: bytes) -> Mapping[str, object]:
    event = parse_block(block)
    try:
        return as_object(json.loads(event.data)) if event else {}
    except ValueError:
        return {}
