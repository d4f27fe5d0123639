"""A local source as fallback: the refused attempt is released, and nothing of its body reaches the client."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import orjson
import pytest

from addons.core.providers.fallback import Fallbacks
from addons.core.routes import Route
from addons.core.turn import Answer, ClientRequest, Collect, Head, Plan, Reply, Sink, Step
from tests.boundary.scripts import BODY, DONE, EVENT, HEARTBEAT, local_stream
from tests.boundary.surfaces import TURN, Home, running
from tests.support.client import Response, client
from tests.support.engine import ScriptedPlan, engine, wire_to
from tests.support.upstream import Exchange, Script, upstream
from tests.support.waiting import LONGEST


async def writes(sink: Sink) -> None:
    await sink.write(EVENT)
    # time for what the refused upstream still sends
    await asyncio.sleep(0.05)
    await sink.write(DONE)


class Explains(ScriptedPlan):
    """Reads a refusal before it answers."""

    def on_head(self, head: Head) -> Step:
        return Collect(1000) if head.status >= 400 else super().on_head(head)

    def on_body(self, head: Head, body: bytes) -> Step:
        return Answer(Reply(Head(head.status), body))


def falls_back(port: int) -> Callable[[ClientRequest], Plan]:
    """Plans of a route whose fallback is a local source."""
    local = Route("local", "", "demo", "", {}, lambda request, _: local_stream(writes)(request))
    first = Route("first", "", "row", "", {}, lambda *_: pytest.fail("asked twice"))
    make = Fallbacks(time.time).maker(lambda r, _: Explains(r, [wire_to(port, r)]), lambda: [local])
    return lambda request: make(request, first)


def refuses(status: bytes, *, late: bool) -> Script:
    async def script(exchange: Exchange) -> None:
        body = b'{"error":"never shown"}'
        head = b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
        await exchange.send(head if late else head + body)
        if late:
            await asyncio.sleep(0.02)
            await exchange.send(body)
        await exchange.closed()

    return script


async def answer_through(port: int) -> Response:
    async with engine(falls_back(port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        response = await c.response()
        assert proxy.engine.live_turns == 0
    response.body = response.body.replace(HEARTBEAT, b"")
    return response


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("status", [b"402 Payment Required", b"429 Too Many", b"503 Busy"])
async def test_local_source_answers_after_a_refusal(status: bytes, late: bool) -> None:
    async with upstream(refuses(status, late=late)) as up:
        response = await answer_through(up.port)
    assert (response.status, response.body, response.complete) == (200, EVENT + DONE, True)
    assert response.header(b"x-codex-shim-fallback") == b"first -> local"
    assert len(up.requests) == 1


async def test_local_source_answers_after_a_failed_connect() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        response = await answer_through(closed.getsockname()[1])
    assert (response.status, response.body, response.complete) == (200, EVENT + DONE, True)


IDLE = (b": still there\n\n", b'data: {"type":"response.in_progress"}\n\n')


async def test_native_fallback_that_only_keeps_the_connection_open_fails_the_turn(
    home: Home,
) -> None:
    """With the notice in front of its answer, as without: what is no part of an answer does not prolong the wait."""

    async def refuse(exchange: Exchange) -> None:
        await exchange.whole(b"{}", b"content-type: application/json", status=b"429 Too Many")

    async def idles(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(b'data: {"type":"response.created","response":{"id":"resp_1"}}\n\n')
        while not exchange.writer.is_closing():
            for text in IDLE:
                await exchange.chunk(text)
            await asyncio.sleep(0.02)

    home.log_in()
    home.backend.scripts[:] = [refuse]
    async with upstream(idles) as up:
        row = {"model": "spare", "provider": "openai-responses", "api_key": "k3y-of-the-row-1"}
        row["base_url"] = f"http://127.0.0.1:{up.port}/v1"
        limits = {"answer_seconds": 0.3, "stall_seconds": 0.3}
        chosen = {"limits": limits, "chatgpt": {"fallback": ["spare"]}, "models": [row]}
        home.settings.write_bytes(orjson.dumps(chosen))
        async with running(home) as proxy, asyncio.timeout(LONGEST):
            response = await proxy.post(TURN, b"originator: codex_exec")
    assert b"answer_seconds" in response.body
    assert response.complete
