"""A local source as fallback: the refused attempt is released, and nothing of its body reaches the client."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from addons.core.providers.fallback import Fallbacks
from addons.core.routes import Route
from addons.core.turn import Answer, ClientRequest, Collect, Head, Plan, Reply, Sink, Step
from tests.boundary.scripts import BODY, DONE, EVENT, HEARTBEAT, local_stream
from tests.support.client import Response, client
from tests.support.engine import ScriptedPlan, engine, wire_to
from tests.support.upstream import Exchange, Script, upstream


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
