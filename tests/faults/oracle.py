"""An independent client: it reads answers, and ports the rules by which Codex retries.

It shares no code with the shim. Source of the rules: Codex 0.169, measured with its default of 4 request retries and 5
stream retries; every stream retry can have request retries of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.support.client import Response

TERMINALS = ("response.completed", "response.incomplete", "response.failed", "error")
FINAL_CODES = frozenset(
    {
        "context_length_exceeded",
        "insufficient_quota",
        "usage_not_included",
        "invalid_prompt",
        "cyber_policy",
        "server_is_overloaded",
    }
)
"""Codes of `response.failed` at which Codex stops and shows the message."""
STREAM_RETRIES = 6
"""The first request and five retries."""
ALL_RETRIES = 30
"""Six times five requests, after a plain 5xx."""
_WAIT = re.compile(r"try again in (\d+(?:\.\d+)?) ?(?:ms|s|seconds?)\b")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client received."""

    status: int
    terminal: str = ""
    """The type of the terminal event of a stream; empty for a whole answer."""
    code: str = ""
    message: str = ""
    text: str = ""
    error_type: str = ""
    retry_after: str = ""


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream as a client dispatches them. Data that is not a JSON object is skipped."""
    text = stream.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    events = []
    for block in text.split("\n\n"):
        data = "\n".join(
            line.removeprefix("data:").removeprefix(" ")
            for line in block.split("\n")
            if line.startswith("data:")
        )
        try:
            event = json.loads(data)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def seen_in(response: Response) -> Seen:
    """Read an answer as a client does. `terminal` is empty when a stream has no terminal event."""
    kind = (response.header(b"content-type") or b"").partition(b";")[0]
    if kind == b"text/event-stream" and response.status == 200:
        return _stream(response)
    return _whole(response)


def _stream(response: Response) -> Seen:
    events = events_of(response.body)
    at = next((n for n, event in enumerate(events) if event.get("type") in TERMINALS), None)
    deltas = (e for e in events[:at] if e.get("type") == "response.output_text.delta")
    text = "".join(event["delta"] for event in deltas)
    if at is None:
        return Seen(response.status, text=text)
    last = events[at]
    error = last if last["type"] == "error" else (last.get("response") or {}).get("error") or {}
    return Seen(
        response.status,
        str(last["type"]),
        str(error.get("code") or ""),
        str(error.get("message") or ""),
        text,
    )


def _whole(response: Response) -> Seen:
    try:
        body = json.loads(response.body)
    except ValueError:
        body = {}
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    return Seen(
        response.status,
        code=str(error.get("code") or ""),
        message=str(error.get("message") or ""),
        error_type=str(error.get("type") or ""),
        retry_after=(response.header(b"retry-after") or b"").decode(),
    )


def terminals(stream: bytes) -> int:
    """Return the number of terminal events in a stream."""
    return sum(event.get("type") in TERMINALS for event in events_of(stream))


def codex_requests(seen: Seen) -> int:
    """Return how many requests Codex makes in total when every one gets this answer."""
    if seen.status == 200:
        return _requests_after_stream(seen)
    if seen.status in {400, 404}:
        return 1
    if seen.status == 429:
        final = seen.error_type in {"usage_limit_reached", "usage_not_included"}
        return STREAM_RETRIES if seen.retry_after and not final else 1
    if seen.status == 503 and seen.code == "server_is_overloaded":
        return 5
    return ALL_RETRIES if seen.status >= 500 else STREAM_RETRIES


def _requests_after_stream(seen: Seen) -> int:
    if seen.terminal == "response.completed":
        return 1
    return 1 if seen.code in FINAL_CODES else STREAM_RETRIES


def codex_waits(seen: Seen) -> str:
    """Return the seconds that the answer makes Codex wait before the next request, empty if it names none."""
    if seen.code == "rate_limit_exceeded" and (match := _WAIT.search(seen.message)):
        return match[1]
    return ""
