"""Upstreams of every protocol that repeat each placeholder of a request: as text, as reasoning, and in the calls of tools.

Never does: use the product to find a placeholder.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from tests.boundary.row_turns import START, block, chunk, delta, message_end, sse
from tests.support.upstream import Exchange, Script

PLACEHOLDER = re.compile(r"masked-[a-z0-9]+-[0-9a-z]{12}")
Json = dict[str, Any]


def placeholders_in(body: bytes) -> list[str]:
    """Return the placeholders in a request, each once."""
    return list(dict.fromkeys(PLACEHOLDER.findall(body.decode())))


def parts(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def native_events(found: list[str], size: int) -> list[Json]:
    """Return the events of the Responses API."""
    text, arguments = " | ".join(found), orjson.dumps({"command": "; ".join(found)}).decode()
    items: list[tuple[str, str, Json]] = [
        ("response.reasoning_summary_text", text, {"type": "reasoning", "id": "i0", "summary": [{"type": "summary_text", "text": text}]}),
        ("response.output_text", text, {"type": "message", "id": "i1", "role": "assistant", "content": [{"type": "output_text", "text": text}]}),
        ("response.function_call_arguments", arguments, {"type": "function_call", "id": "i2", "call_id": "c2", "name": "shell", "arguments": arguments}),
        ("response.custom_tool_call_input", text, {"type": "custom_tool_call", "id": "i3", "call_id": "c3", "name": "exec", "input": text}),
    ]  # fmt: skip
    events: list[Json] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    for index, (kind, whole, item) in enumerate(items):
        at = {"output_index": index, "item_id": f"i{index}"}
        events += [{"type": f"{kind}.delta", **at, "delta": part} for part in parts(whole, size)]
        events += [
            {"type": f"{kind}.done", **at},
            {"type": "response.output_item.done", **at, "item": item},
        ]
    output = [item for _, _, item in items]
    return [*events, {"type": "response.completed", "response": {"id": "resp_1", "output": output}}]


def chat_events(found: list[str], size: int) -> list[Json]:
    """Return the chunks of the chat API."""
    text, arguments = " | ".join(found), orjson.dumps({"command": "; ".join(found)}).decode()
    call = {"index": 0, "id": "call_1", "type": "function"}
    return [
        *(chunk({"reasoning_content": part}) for part in parts(text, size)),
        *(chunk({"content": part}) for part in parts(text, size)),
        chunk({"tool_calls": [{**call, "function": {"name": "shell", "arguments": ""}}]}),
        *(
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
            for part in parts(arguments, size)
        ),
        chunk(finish="tool_calls"),
    ]


def message_events(found: list[str], size: int) -> list[Json]:
    """Return the events of the messages API."""
    text, arguments = " | ".join(found), orjson.dumps({"command": "; ".join(found)}).decode()
    blocks = [
        (block(0, "thinking", thinking=""), "thinking_delta", "thinking", text),
        (block(1, "text", text=""), "text_delta", "text", text),
        (block(2, "tool_use", id="toolu_1", name="shell", input={}), "input_json_delta", "partial_json", arguments),
    ]  # fmt: skip
    events: list[Json] = [START]
    for index, (start, kind, field, whole) in enumerate(blocks):
        events += [start, *(delta(index, kind, **{field: part}) for part in parts(whole, size))]
        events.append({"type": "content_block_stop", "index": index})
    return [*events, *message_end("tool_use")]


EVENTS = {"responses": native_events, "chat": chat_events, "messages": message_events}


def repeats(protocol: str, size: int) -> Script:
    """Answer with a stream whose texts arrive in parts of this size."""

    async def script(exchange: Exchange) -> None:
        found = placeholders_in(exchange.request.body)
        await exchange.sse_head()
        await exchange.chunk(sse(*EVENTS[protocol](found, size)))
        if protocol == "chat":
            await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end()

    return script


async def repeats_whole(exchange: Exchange) -> None:
    """Answer with JSON."""
    found = placeholders_in(exchange.request.body)
    await exchange.whole(
        orjson.dumps({"id": "resp_1", "object": "response", "output": " | ".join(found)}),
        b"content-type: application/json",
    )
