"""A row of the user's between a client and an upstream of either translated API, and what such an upstream says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import orjson
import pytest

from addons.core.credential import Origin, Secret, SecretHeader
from addons.core.limits import Limits
from addons.core.memory import Memory
from addons.core.providers.byok import Byok
from addons.core.routes import Route
from addons.core.target import Target
from addons.core.translate import chat, messages
from addons.core.translate.conversation import Dialects
from addons.core.translate.dialect import Dialect
from addons.core.translate.reading import read_request
from addons.core.turn import ClientRequest, Plan
from tests.conformance import check, parse
from tests.proxy.scripts import HEARTBEAT
from tests.support.client import Client, Response, client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, Script, Upstream, upstream

KEY = b"row-key-5f1e"
CODEX = b"originator: codex_exec"
SDK = b"user-agent: openai-python"
EACH_CLIENT = pytest.mark.parametrize("who", [CODEX, SDK])


def sse(*events: object) -> bytes:
    """Events in the form of both APIs: chat names none, messages names each by its type."""
    lines = []
    for event in events:
        kind = event.get("type") if isinstance(event, dict) else None
        name = b"event: %s\n" % str(kind).encode() if kind else b""
        lines.append(name + b"data: " + orjson.dumps(event) + b"\n\n")
    return b"".join(lines)


def chunk(delta: object = None, finish: str | None = None, **rest: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice], **rest}


def chat_call(arguments: str) -> dict[str, object]:
    function = {"name": "shell", "arguments": arguments}
    return chunk(
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}
    )


def block(index: int, kind: str, **fields: object) -> dict[str, object]:
    content = {"type": kind, **fields}
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def message_end(reason: str) -> tuple[dict[str, object], ...]:
    return (
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    )


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "m",
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1},
    },
}
HALF_CALL = '{"command": "rm -rf bui'


@dataclass(frozen=True)
class Speech:
    """What an upstream says, in its dialect."""

    dialect: Dialects
    path: str
    text: bytes
    """The beginning of an answer in words."""
    end: bytes
    error: bytes
    call: bytes
    """A tool call that breaks off."""
    whole: bytes
    """A whole answer that is no stream."""


SPEECH = {
    "chat": Speech(
        Dialects.CHAT,
        "/v1/chat/completions",
        sse(chunk({"role": "assistant", "content": "hel"}), chunk({"content": "lo"})),
        sse(
            chunk(finish="stop"),
            {
                **chunk(),
                "choices": [],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 5,
                    "total_tokens": 105,
                    "prompt_tokens_details": {"cached_tokens": 90},
                },
            },
        )
        + b"data: [DONE]\n\n",
        sse({"error": {"message": "worn out", "code": 502}}),
        sse(chat_call(HALF_CALL)),
        orjson.dumps(
            {
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "hello"},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 5,
                    "total_tokens": 105,
                    "prompt_tokens_details": {"cached_tokens": 90},
                },
            }
        ),
    ),
    "messages": Speech(
        Dialects.MESSAGES,
        "/v1/messages",
        sse(
            START,
            block(0, "text", text=""),
            delta(0, "text_delta", text="hel"),
            delta(0, "text_delta", text="lo"),
        ),
        sse({"type": "content_block_stop", "index": 0}, *message_end("end_turn")),
        sse({"type": "error", "error": {"type": "api_error", "message": "worn out"}}),
        sse(
            START,
            block(0, "tool_use", id="toolu_1", name="shell", input={}),
            delta(0, "input_json_delta", partial_json=HALF_CALL),
        ),
        orjson.dumps(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [{"type": "text", "text": "hello"}],
                "stop_reason": "end_turn",
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 90,
                    "output_tokens": 5,
                },
            }
        ),
    ),
}
MODULES = {Dialects.CHAT: chat, Dialects.MESSAGES: messages}


class Key:
    """The row's key, bound to the fake upstream."""

    def __init__(self, origin: Origin) -> None:
        self._headers = (SecretHeader(b"authorization", Secret(KEY), origin, b"Bearer "),)

    def current(self) -> tuple[SecretHeader, ...]:
        return self._headers

    def refused(self) -> None:
        """Nothing to get anew."""


def plans(speech: Speech, port: int) -> Callable[[ClientRequest], Plan]:
    origin = Origin("http", "127.0.0.1", port)
    numbers = iter(range(1000))
    row = Byok(
        target=Target("row", "Row", "fake", "big", speech.dialect, origin, speech.path),
        key=Key(origin),
        dialect=cast("Dialect", MODULES[speech.dialect]),
        read=read_request,
        ids=lambda: f"seed{next(numbers)}",
        clock=lambda: 1_700_000_000.0,
        memory=Memory(),
        limits=QUICK,
    )

    def make(request: ClientRequest) -> Plan:
        return row.plan(request, Route("row", "Row", "fake", "big", {}, row.plan))

    return make


@asynccontextmanager
async def line(
    speech: Speech, *scripts: Script, limits: Limits = QUICK
) -> AsyncIterator[tuple[Client, Upstream]]:
    async with (
        upstream(*scripts) as up,
        engine(plans(speech, up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        yield c, up


def body(**fields: object) -> bytes:
    return orjson.dumps({"model": "row", "input": "hi", "stream": True, **fields})


async def ask(c: Client, who: bytes, **fields: object) -> Response:
    await c.post("/v1/responses", body(**fields), who)
    return await c.response()


def says(*parts: bytes) -> Script:
    """A stream of these parts, ended cleanly."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head(b"x-request-id: up-1")
        for part in parts:
            await exchange.chunk(part)
        await exchange.end()

    return script


def breaks_off(*parts: bytes) -> Script:
    """A stream of these parts whose connection then ends."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in parts:
            await exchange.chunk(part)
        exchange.writer.close()

    return script


def terminal(response: Response) -> dict[str, Any]:
    assert response.complete
    return check(response.body.replace(HEARTBEAT, b""))


def done_items(response: Response) -> list[str]:
    events = parse(response.body)
    return [
        event["item"]["type"] for event in events if event["type"] == "response.output_item.done"
    ]
