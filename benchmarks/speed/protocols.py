"""Requests and answers of the benchmark in each protocol. Answers are streams of marked deltas.

The text of each delta has its number and the time at which it was sent. The client detects lost, duplicate and
reordered deltas from the text, and measures the latency of each one.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Literal

import orjson

Protocol = Literal["chat", "messages", "responses"]
PROTOCOLS: tuple[Protocol, ...] = ("responses", "chat", "messages")

MARK = re.compile(rb'"(?:delta|content|text)":"(\d{7}) (\d{19}) "')
"""One delta. A text with several marks does not match."""
PATHS: dict[Protocol, str] = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/backend-api/codex/responses",
}
TERMINALS: dict[Protocol, bytes] = {
    "chat": b"data: [DONE]",
    "messages": b'"type":"message_stop"',
    "responses": b'"type":"response.completed"',
}
USAGES: dict[Protocol, bytes] = {
    "chat": b'"completion_tokens":%d',
    "messages": b'"usage":{"output_tokens":%d',
    "responses": b'"output_tokens":%d',
}
"""The number of deltas in the usage of an answer."""
INPUT_TOKENS = 1000


def event(name: str, data: object) -> bytes:
    """Return a server-sent event; without a name only its data line."""
    line = b"event: %s\n" % name.encode() if name else b""
    return b"%sdata: %s\n\n" % (line, orjson.dumps(data))


def mark(number: int) -> bytes:
    """Return the text of a delta that is sent now."""
    return b"%07d %019d " % (number, time.monotonic_ns())


@dataclass(frozen=True, slots=True)
class Script:
    """The stream of an answer: the first events, the bytes around each mark, the last events."""

    opening: bytes
    before: bytes
    after: bytes
    closing: bytes

    def delta(self, number: int) -> bytes:
        """Return the event of one delta with the current time."""
        return self.before + mark(number) + self.after


def script(protocol: Protocol, deltas: int) -> Script:
    """Return the answer of one protocol."""
    return {"chat": _chat, "messages": _messages, "responses": _responses}[protocol](deltas)


def _around(event_bytes: bytes) -> tuple[bytes, bytes]:
    before, after = event_bytes.split(b"MARK")
    return before, after


def _chat_chunk(delta: object, finish: str | None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event(
        "",
        {
            "id": "chatcmpl-9fYq3mXkP2vT8sLw",
            "object": "chat.completion.chunk",
            "created": 1764000000,
            "model": "bench",
            "system_fingerprint": "fp_5d1f2c",
            "choices": [choice],
            **more,
        },
    )


def _chat(deltas: int) -> Script:
    usage = {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": deltas,
        "total_tokens": INPUT_TOKENS + deltas,
    }
    opening = _chat_chunk({"role": "assistant", "content": ""}, None)
    closing = _chat_chunk({}, "stop", usage=usage) + b"data: [DONE]\n\n"
    return Script(opening, *_around(_chat_chunk({"content": "MARK"}, None)), closing)


def _typed(kind: str, **fields: object) -> bytes:
    return event(kind, {"type": kind, **fields})


def _messages(deltas: int) -> Script:
    message: dict[str, object] = {
        "id": "msg_01XbenchmarkA",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "bench",
        "stop_reason": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": 1},
    }
    opening = _typed("message_start", message=message) + _typed(
        "content_block_start", index=0, content_block={"type": "text", "text": ""}
    )
    delta = _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": "MARK"})
    closing = (
        _typed("content_block_stop", index=0)
        + _typed(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": deltas},
        )
        + _typed("message_stop")
    )
    return Script(opening, *_around(delta), closing)


def _responses(deltas: int) -> Script:
    response = {"id": "resp_bench", "object": "response", "status": "in_progress", "output": []}
    position = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": deltas,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + deltas,
    }
    opening = _typed("response.created", response=response) + _typed(
        "response.output_item.added", output_index=0, item=item
    )
    delta = _typed("response.output_text.delta", sequence_number=7, **position, delta="MARK")
    closing = _typed("response.output_item.done", output_index=0, item=item) + _typed(
        "response.completed", response={**response, "status": "completed", "usage": usage}
    )
    return Script(opening, *_around(delta), closing)


def request_body(protocol: Protocol, model: str, size: int) -> bytes:
    """Return a request of about `size` bytes, as a client of the protocol writes it."""
    text = ("The quick brown fox jumps over the lazy dog. " * (size // 45 + 1))[:size]
    if protocol == "responses":
        return orjson.dumps({"model": model, "stream": True, "store": False, "input": _items(text)})
    messages = [{"role": "user", "content": text}]
    return orjson.dumps({"model": model, "stream": True, "max_tokens": 4096, "messages": messages})


def _items(text: str) -> list[object]:
    """Return a history as Codex sends it: calls with outputs of at most 20 KB."""
    piece = 20_000
    items: list[object] = [_user_message("Look around.")]
    for number, start in enumerate(range(0, len(text), piece)):
        call_id = f"call_{number}"
        items.append(
            {
                "type": "function_call",
                "name": "exec_command",
                "arguments": '{"cmd":"cat a.txt"}',
                "call_id": call_id,
            }
        )
        output = text[start : start + piece]
        items.append({"type": "function_call_output", "call_id": call_id, "output": output})
    return [*items, _user_message("Go on.")]


def _user_message(text: str) -> object:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}
