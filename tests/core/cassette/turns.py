"""Recorded turns for tests."""

from __future__ import annotations

import orjson

from addons.core.cassette.format import (
    RecordedAnswer,
    RecordedRequest,
    RecordedTurn,
    head_line,
    turn_line,
)

SSE = (("content-type", "text/event-stream"),)
DONE = 'data: {"type":"response.completed","response":{"id":"r"}}\n\n'


def body(text: str = "hi", **fields: object) -> str:
    """Return the body of a request with one message."""
    content = [{"type": "input_text", "text": text}]
    message = {"type": "message", "id": f"msg_{text}", "role": "user", "content": content}
    return orjson.dumps({"model": "m", "input": [message], **fields}).decode()


def turn(
    text: str = "hi", answer: str = DONE, thread: str = "t1", **fields: object
) -> RecordedTurn:
    """Return a turn with this prompt and this answer."""
    request = RecordedRequest(
        "POST", "/v1/responses", "http", thread, "user", "m", (), body(text, **fields)
    )
    return RecordedTurn(request, RecordedAnswer(200, SSE, ((0.0, answer),)))


def file_of(*turns: RecordedTurn) -> bytes:
    """Return the bytes of a cassette."""
    return head_line("1.0.0", "2026-11-30T12:00:00Z") + b"".join(map(turn_line, turns))
