"""A row between a client and an upstream of either translated protocol, and the answers of such an upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import orjson
import pytest

from addons.core.limits import Limits
from addons.core.protocols.chat import request as chat
from addons.core.protocols.messages import request as messages
from addons.core.protocols.responses.request import read_request
from addons.core.protocols.responses.response_store import ResponseStore
from addons.core.protocols.translator import ProtocolTranslator
from addons.core.providers.translated import TranslatedProvider
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.turn import ClientRequest, Plan
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.target import Target
from tests.boundary.scripts import HEARTBEAT
from tests.conformance import check, parse
from tests.support.client import Client, Response, client
from tests.support.engine import QUICK, engine
from tests.support.upstream import Exchange, Script, Upstream, upstream

KEY = b"row-key-5f1e"
CODEX = b"originator: codex_exec"
SDK = b"user-agent: openai-python"
EACH_CLIENT = pytest.mark.parametrize("who", [CODEX, SDK])


def sse(*events: object) -> bytes:
    """Return events as both APIs send them: with `event:` lines in the messages API only."""
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
TRUNCATED_ARGUMENTS = '{"command": "rm -rf bui'


@dataclass(frozen=True)
class UpstreamAnswers:
    """The answers of an upstream in one protocol."""

    protocol: Protocol
    path: str
    text: bytes
    """The beginning of a text answer."""
    end: bytes
    error: bytes
    call: bytes
    """A truncated tool call."""
    whole: bytes
    """A whole answer that is no stream."""


ANSWERS_BY_PROTOCOL = {
    "chat": UpstreamAnswers(
        Protocol.CHAT,
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
        sse({"error": {"message": "overloaded", "code": 502}}),
        sse(chat_call(TRUNCATED_ARGUMENTS)),
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
    "messages": UpstreamAnswers(
        Protocol.MESSAGES,
        "/v1/messages",
        sse(
            START,
            block(0, "text", text=""),
            delta(0, "text_delta", text="hel"),
            delta(0, "text_delta", text="lo"),
        ),
        sse({"type": "content_block_stop", "index": 0}, *message_end("end_turn")),
        sse({"type": "error", "error": {"type": "api_error", "message": "overloaded"}}),
        sse(
            START,
            block(0, "tool_use", id="toolu_1", name="shell", input={}),
            delta(0, "input_json_delta", partial_json=TRUNCATED_ARGUMENTS),
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
MODULES = {Protocol.CHAT: chat, Protocol.MESSAGES: messages}


class Key:
    """The row's key, bound to the fake upstream."""

    def __init__(self, origin: Origin) -> None:
        self._headers = (SecretHeader(b"authorization", Secret(KEY), origin, b"Bearer "),)

    def current(self) -> tuple[SecretHeader, ...]:
        return self._headers

    def refused(self) -> None:
        """Nothing to get anew."""


def plans(answers: UpstreamAnswers, port: int) -> Callable[[ClientRequest], Plan]:
    origin = Origin("http", "127.0.0.1", port)
    numbers = iter(range(1000))
    row = TranslatedProvider(
        target=Target("row", "Row", "fake", "big", answers.protocol, origin, answers.path),
        key=Key(origin),
        translator=cast("ProtocolTranslator", MODULES[answers.protocol]),
        read=read_request,
        ids=lambda: f"seed{next(numbers)}",
        clock=lambda: 1_700_000_000.0,
        memory=ResponseStore(),
        limits=QUICK,
    )

    def make(request: ClientRequest) -> Plan:
        return row.plan(request, Route("row", "Row", "fake", "big", {}, row.plan))

    return make


@asynccontextmanager
async def line(
    answers: UpstreamAnswers, *scripts: Script, limits: Limits = QUICK
) -> AsyncIterator[tuple[Client, Upstream]]:
    async with (
        upstream(*scripts) as up,
        engine(plans(answers, up.port), limits) as proxy,
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
