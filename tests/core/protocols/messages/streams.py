"""Streams of Anthropic messages for tests, and the events of an answer."""

from __future__ import annotations

from typing import Any

import orjson

from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import Event
from addons.core.protocols.messages.reader import MessagesReader
from tests.core.protocols.messages.samples import TARGET, TOOLS

CONVERSATION = Conversation((), TOOLS)


def sse(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        orjson.dumps({"type": kind, **fields}),
    )


def start(**usage: Any) -> bytes:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
    return sse("message_start", message=message)


def opened(index: Any, kind: str, **fields: Any) -> bytes:
    return sse("content_block_start", index=index, content_block={"type": kind, **fields})


def delta(index: Any, kind: str, **fields: Any) -> bytes:
    return sse("content_block_delta", index=index, delta={"type": kind, **fields})


def closed(index: Any) -> bytes:
    return sse("content_block_stop", index=index)


def text(*pieces: str, index: int = 0) -> bytes:
    deltas = (delta(index, "text_delta", text=piece) for piece in pieces)
    return opened(index, "text", text="") + b"".join(deltas) + closed(index)


def tool(
    *pieces: str, index: int = 0, name: str = "shell", call_id: str = "toolu_1", stop: bool = True
) -> bytes:
    deltas = (delta(index, "input_json_delta", partial_json=piece) for piece in pieces)
    opening = opened(index, "tool_use", id=call_id, name=name, input={})
    return opening + b"".join(deltas) + (closed(index) if stop else b"")


def thinking(*pieces: str, index: int = 0, signature: str = "c2ln") -> bytes:
    deltas = (delta(index, "thinking_delta", thinking=piece) for piece in pieces)
    signed = delta(index, "signature_delta", signature=signature) if signature else b""
    opening = opened(index, "thinking", thinking="", signature="")
    return opening + b"".join(deltas) + signed + closed(index)


def stopping(reason: str | None, **usage: Any) -> bytes:
    stop = {"stop_reason": reason, "stop_sequence": None}
    return sse("message_delta", delta=stop, usage=usage)


STOP = sse("message_stop")


def end(reason: str | None = "end_turn", **usage: Any) -> bytes:
    return stopping(reason, **usage) + STOP


def read(
    *reads: bytes, conversation: Conversation = CONVERSATION, answer_tool: str = ""
) -> list[Event]:
    """Return all events of an answer that arrives in these reads."""
    reader = MessagesReader(conversation, TARGET, answer_tool)
    events = [event for data in reads for event in reader.feed(data)]
    return [*events, *reader.finish()]
