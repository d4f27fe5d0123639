"""Builders of answers of the ChatGPT backend, healthy and faulty.

The events are those of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming), in their
real order. Like the real backend, `response.completed` carries an empty output list: items live in
`response.output_item.done`. Invariant: a builder returns a new frozen answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.fakes.http_messages import Action, Answer, Cut, Gate, HeaderList, Hold, Pause, Send

Item = dict[str, object]

SSE_HEADERS: HeaderList = (
    (b"date", b"Mon, 23 Nov 2026 10:00:00 GMT"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-codex-primary-used-percent", b"42"),
    (b"x-codex-primary-window-minutes", b"300"),
    (b"x-codex-primary-reset-at", b"1795500000"),
    (b"x-codex-secondary-used-percent", b"7"),
    (b"x-codex-plan-type", b"plus"),
    (b"x-models-etag", b'W/"models-1"'),
    (b"x-request-id", b"req_fabricated_0001"),
    (b"openai-model", b"gpt-fabricated"),
    (b"x-codex-turn-state", b"turn-state-fabricated"),
    (b"cf-ray", b"8f0000000000abcd-FRA"),
    (b"set-cookie", b"__cf_bm=fabricated; path=/; Secure; HttpOnly"),
    (b"server", b"cloudflare"),
)
JSON_HEADERS: HeaderList = ((b"content-type", b"application/json"), (b"cf-ray", b"8f00-FRA"))


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one response."""

    input_tokens: int = 1200
    cached_tokens: int = 1000
    output_tokens: int = 34
    reasoning_tokens: int = 10

    def document(self) -> dict[str, object]:
        """The `usage` object of `response.completed`."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def message(text: str) -> Item:
    """Return an assistant message."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "role": "assistant", "status": "completed", "content": [part]}


def thought(summary: str) -> Item:
    """Return a reasoning item: a summary, and the encrypted content that the next request must contain."""
    return {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": summary}],
        "content": None,
        "encrypted_content": "gAAAAfabricated-encrypted-reasoning",
    }


def command(cmd: str, call_id: str = "call_1") -> Item:
    """Return a call of Codex's shell tool."""
    return function_call("exec_command", {"cmd": cmd}, call_id)


def function_call(
    name: str, arguments: dict[str, object], call_id: str = "call_1", namespace: str | None = None
) -> Item:
    """Return a function call; `namespace` is for MCP tools."""
    item: Item = {
        "type": "function_call",
        "status": "completed",
        "name": name,
        "arguments": json.dumps(arguments),
        "call_id": call_id,
    }
    return item if namespace is None else {**item, "namespace": namespace}


def custom_call(name: str, text: str, call_id: str = "call_1") -> Item:
    """Return a call of a tool with free-form input: apply_patch, or the code tool of the lite models."""
    return {
        "type": "custom_tool_call",
        "status": "completed",
        "name": name,
        "input": text,
        "call_id": call_id,
    }


def turn(*items: Item, usage: Usage | None = None) -> Answer:
    """Return a complete stream with these items."""
    events = _events(items, usage or Usage())
    return Answer(tuple(Send(event) for event in events), headers=SSE_HEADERS)


def text(content: str) -> Answer:
    """Return a stream with one message."""
    return turn(message(content))


def compaction(summary: str) -> Answer:
    """Return the unary answer of `POST /responses/compact`."""
    return unary({"output": [{"type": "compaction", "encrypted_content": summary}]})


def unary(document: object) -> Answer:
    """Return a JSON answer."""
    return _json(200, document)


def detail(status: int, message: str, headers: HeaderList = ()) -> Answer:
    """Return an error in the form of the backend: `detail`, not `error`."""
    return _json(status, {"detail": message}, headers)


def error(status: int, code: str, message: str, headers: HeaderList = ()) -> Answer:
    """Return an error in the form of the API."""
    return _json(status, {"error": {"code": code, "type": code, "message": message}}, headers)


def usage_limit_reached(resets_in_seconds: int) -> Answer:
    """Return the 429 of an exhausted plan."""
    document = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": int(time.time()) + resets_in_seconds,
            "resets_in_seconds": resets_in_seconds,
        }
    }
    return _json(429, document, ((b"x-codex-primary-used-percent", b"100"),))


def html(status: int, title: str) -> Answer:
    """Return an HTML page: Cloudflare's challenge (403) or a gateway's error (502)."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    headers = ((b"content-type", b"text/html; charset=UTF-8"), (b"cf-mitigated", b"challenge"))
    return Answer((Send(page.encode()),), status, headers, chunked=False)


def reset_after_head() -> Answer:
    """Return an answer whose connection is reset right after the head."""
    return Answer((Cut(reset=True),), headers=SSE_HEADERS)


def cut_inside(answer: Answer, event: str, *, share: float = 0.5, reset: bool = False) -> Answer:
    """Return the answer, cut inside the first event of this type, after this share of its bytes."""
    at = _position(answer, event)
    sent_event = answer.actions[at]
    assert isinstance(sent_event, Send)
    half = Send(sent_event.data[: int(len(sent_event.data) * share)])
    return replace(answer, actions=(*answer.actions[:at], half, Cut(reset)))


def split_inside(answer: Answer, event: str, what: Action) -> Answer:
    """Return the answer with an action in the middle of the first event of this type."""
    at = _position(answer, event)
    sent_event = answer.actions[at]
    assert isinstance(sent_event, Send)
    half = len(sent_event.data) // 2
    parts = (Send(sent_event.data[:half]), what, Send(sent_event.data[half:]))
    return replace(answer, actions=(*answer.actions[:at], *parts, *answer.actions[at + 1 :]))


def pause_before(answer: Answer, event: str, seconds: float) -> Answer:
    """Return the answer with silence before the first event of this type."""
    return _insert(answer, event, Pause(seconds))


def gate_before(answer: Answer, event: str, gate: Gate) -> Answer:
    """Return the answer with a gate before the first event of this type."""
    return _insert(answer, event, Hold(gate))


def _insert(answer: Answer, event: str, what: Action) -> Answer:
    at = _position(answer, event)
    return replace(answer, actions=(*answer.actions[:at], what, *answer.actions[at:]))


def _position(answer: Answer, event: str) -> int:
    start = f"event: {event}\n".encode()
    return next(
        index
        for index, action in enumerate(answer.actions)
        if isinstance(action, Send) and action.data.startswith(start)
    )


def _json(status: int, document: object, headers: HeaderList = ()) -> Answer:
    body = json.dumps(document).encode()
    return Answer((Send(body),), status, (*JSON_HEADERS, *headers), chunked=False)


def _events(items: Iterable[Item], usage: Usage) -> list[bytes]:
    numbered: list[bytes] = []

    def add(kind: str, **fields: object) -> None:
        data = {"type": kind, "sequence_number": len(numbered), **fields}
        numbered.append(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())

    response: Item = {"id": "resp_fabricated", "object": "response", "status": "in_progress"}
    add("response.created", response=response)
    add("response.in_progress", response=response)
    for index, item in enumerate(items):
        whole = {"id": f"{_PREFIX[str(item['type'])]}_{index:04}", **item}
        add("response.output_item.added", output_index=index, item=_begun(whole))
        for kind, fields in _increments(whole):
            add(kind, item_id=whole["id"], output_index=index, **fields)
        add("response.output_item.done", output_index=index, item=whole)
    done = {**response, "status": "completed", "output": [], "usage": usage.document()}
    add("response.completed", response=done)
    return numbered


_PREFIX = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "compaction": "cmp",
}
# Members that are empty when an item begins.
_EMPTY: Item = {"content": [], "summary": [], "arguments": "", "input": ""}
_STREAMED = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


def _begun(item: Item) -> Item:
    emptied = {key: _EMPTY.get(key, value) for key, value in item.items()}
    return {**emptied, "status": "in_progress"} if "status" in item else emptied


def _increments(item: Item) -> Iterable[tuple[str, dict[str, object]]]:
    kind = str(item["type"])
    if kind == "message":
        yield from _text_parts(item)
    elif kind == "reasoning":
        yield from _summary_parts(item)
    elif kind in _STREAMED:
        event, key = _STREAMED[kind]
        for piece in _pieces(str(item[key])):
            yield f"{event}.delta", {"delta": piece}
        yield f"{event}.done", {key: item[key]}


def _text_parts(item: Item) -> Iterable[tuple[str, dict[str, object]]]:
    parts: list[Item] = item["content"]  # type: ignore[assignment]
    for index, part in enumerate(parts):
        where: dict[str, object] = {"content_index": index}
        yield "response.content_part.added", {**where, "part": {**part, "text": ""}}
        for piece in _pieces(str(part["text"])):
            yield "response.output_text.delta", {**where, "delta": piece}
        yield "response.output_text.done", {**where, "text": part["text"]}
        yield "response.content_part.done", {**where, "part": part}


def _summary_parts(item: Item) -> Iterable[tuple[str, dict[str, object]]]:
    parts: list[Item] = item["summary"]  # type: ignore[assignment]
    for index, part in enumerate(parts):
        where: dict[str, object] = {"summary_index": index}
        yield "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
        for piece in _pieces(str(part["text"])):
            yield "response.reasoning_summary_text.delta", {**where, "delta": piece}
        yield "response.reasoning_summary_text.done", {**where, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**where, "part": part}


def _pieces(content: str, size: int = 7) -> list[str]:
    return [content[at : at + size] for at in range(0, len(content), size)]
