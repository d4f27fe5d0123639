"""Time without an event of the answer is limited on every route, however active the upstream is otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from tests.faults.healthy import sse
from tests.faults.oracle import seen_in
from tests.faults.routes import WITH_UPSTREAM, Family, RouteKind
from tests.faults.shim import CODEX, SDK, RunningShim, running_shim
from tests.support.client import client
from tests.support.engine import QUICK, engine, to_ports
from tests.support.upstream import Exchange, Script, upstream
from tests.support.waiting import LONGEST, until, within

SECONDS = 0.6
LIMITS = {"answer_seconds": SECONDS, "heartbeat_seconds": 0.2}
PAUSE = 0.02

IDLE: dict[str, tuple[bytes, ...]] = {
    "comments": (b": keep-alive\n\n",),
    "comments without a blank line": (b": OPENROUTER PROCESSING\n",),
    "comments with CRLF": (b":\r\n\r\n",),
    "long comments": (b": " + b"data: " * 400 + b"\n\n",),
    "blank lines": (b"\n\n",),
    "pings of Anthropic": (b'event: ping\ndata: {"type": "ping"}\n\n',),
    "pings without a name": (b'data: {"type":"ping"}\n\n',),
    "pings without a type": (b"event: ping\ndata: {}\n\n",),
    "pings with CRLF": (b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n',),
    "pings in two writes": (b"event: ping\n", b'data: {"type": "ping"}\n\n'),
    "pings cut anywhere": tuple(
        bytes([each]) for each in b'event: ping\ndata: {"type": "ping"}\n\n'
    ),
    "two pings in one write": (b'event: ping\ndata: {"type": "ping"}\n\n' * 2,),
    "keepalive events": (b'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n',),
    "heartbeats of a shim": (
        b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n',
    ),
    "events without data": (b"event: message\n\n",),
    "ids and retries": (b"id: 1\nretry: 10\n\n",),
    "empty data": (b"data:\n\n", b"data: \n\n"),
    "field that is no data": (b"database: 1\n\n",),
    "chunks without choices": (
        sse({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": None}),
    ),
    "chunks with an empty delta": (
        sse({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}),
    ),
    "empty text deltas": (
        sse(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}
        ),
    ),
    "states of a response": (
        sse({"type": "response.in_progress", "response": {"id": "r", "status": "in_progress"}}),
    ),
    "a part of an event at a time": (b'data: {"type":"x","delta":"', *(b"a",) * 500),
}


def idle(route: RouteKind, idle_writes: tuple[bytes, ...], *, begins: bool) -> Script:
    """Begin an answer, or only its head, and then send these writes until the shim leaves."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        if begins:
            await exchange.chunk(route.healthy.begin)
        for each in cycle(idle_writes):
            await exchange.chunk(each)
            await asyncio.sleep(PAUSE)

    return script


def by_prompt(scripts: Mapping[str, Script]) -> Script:
    """Return a script that plays the one whose name is the prompt of the request."""

    async def script(exchange: Exchange) -> None:
        (chosen,) = (name for name in scripts if prompt(name) in exchange.request.body)
        await scripts[chosen](exchange)

    return script


def prompt(name: str) -> bytes:
    return b'"%s"' % name.encode()


async def check_silent(shim: RunningShim, name: str) -> None:
    """Assert that a turn with this prompt fails at the limit, and not before."""
    began = time.monotonic()
    async with asyncio.timeout(LONGEST), client(shim.port) as c:
        await c.post("/v1/responses", shim.body.replace(b'"hi"', prompt(name)), CODEX)
        response = await c.response()
    assert time.monotonic() - began >= SECONDS, name
    seen = seen_in(response)
    assert response.complete, name
    assert seen.terminal in ("response.failed", ""), (name, seen)
    assert "upstream_stalled" in (seen.code or ""), (name, seen)
    assert b"answer_seconds" in response.body, name


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_upstream_that_sends_no_event_of_its_answer_fails_the_turn(
    route: RouteKind, begins: bool, folder: Path
) -> None:
    """All kinds of writes at once: each turn has a connection of its own."""
    scripts = {name: idle(route, writes, begins=begins) for name, writes in IDLE.items()}
    async with running_shim(route, folder, limits=LIMITS) as shim:
        shim.play(by_prompt(scripts))
        await asyncio.gather(*(check_silent(shim, name) for name in IDLE))
        assert shim.model_requests() == len(IDLE)
        await shim.check_next_turns()


THINKING = {
    "chat": sse(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}],
        }
    ),
    "messages": sse(
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": {"cited_text": "hm"}},
        }
    ),
}
THOUGHT = sse({"type": "response.reasoning_summary_text.delta", "item_id": "r", "delta": "hm"})
CUTS: dict[str, Callable[[bytes], tuple[bytes, ...]]] = {
    "one write an event": lambda event: (event,),
    "one write a line": lambda event: tuple(event.splitlines(keepends=True)),
    "writes of 7 bytes": lambda event: tuple(event[i : i + 7] for i in range(0, len(event), 7)),
    "a comment behind each": lambda event: (event + b": x\n\n",),
    "CRLF": lambda event: (event.replace(b"\n", b"\r\n"),),
}


def thinks(route: RouteKind, cut: str, ended: list[str]) -> Script:
    """Think for three times the limit, then answer."""
    event = THINKING.get(route.name, THOUGHT)

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(route.healthy.begin)
        enough = time.monotonic() + 3 * SECONDS
        while time.monotonic() < enough:
            for part in CUTS[cut](event):
                await exchange.chunk(part)
                await asyncio.sleep(0.001)
            await asyncio.sleep(PAUSE)
        await exchange.chunk(route.healthy.middle + route.healthy.end + route.healthy.tail)
        await exchange.end()
        ended.append(cut)

    return script


async def check_whole(shim: RunningShim, name: str) -> None:
    async with asyncio.timeout(LONGEST), client(shim.port) as c:
        await c.post("/v1/responses", shim.body.replace(b'"hi"', prompt(name)), CODEX)
        shim.check_whole(await c.response())


@pytest.mark.parametrize("route", WITH_UPSTREAM, ids=str)
async def test_model_that_thinks_for_long_with_content_stays_alive(
    route: RouteKind, folder: Path
) -> None:
    """All kinds of cuts at once: each turn has a connection of its own."""
    ended: list[str] = []
    async with running_shim(route, folder, limits=LIMITS) as shim:
        shim.play(by_prompt({cut: thinks(route, cut, ended) for cut in CUTS}))
        await asyncio.gather(*(check_whole(shim, cut) for cut in CUTS))
        await until(lambda: sorted(ended) == sorted(CUTS))


@pytest.mark.parametrize(
    "route", [r for r in WITH_UPSTREAM if r.family is Family.TRANSLATED], ids=str
)
async def test_client_without_streaming_has_the_same_limit(route: RouteKind, folder: Path) -> None:
    async with running_shim(route, folder, limits=LIMITS) as shim:
        shim.play(idle(route, IDLE["comments"], begins=True))
        async with asyncio.timeout(LONGEST), client(shim.port) as c:
            await c.post(
                "/v1/responses", shim.body.replace(b'"stream": true', b'"stream": false'), SDK
            )
            response = await c.response()
        assert response.status == 504
        assert b"answer_seconds" in response.body


async def test_body_that_is_no_stream_must_bring_more_than_blanks() -> None:
    """Some servers send blank lines until the answer of a request without streaming is ready."""

    async def blanks(exchange: Exchange) -> None:
        await exchange.head(b"content-type: application/json", b"transfer-encoding: chunked")
        while True:
            await exchange.chunk(b"\r\n")
            await asyncio.sleep(PAUSE)

    limits = replace(QUICK, answer_seconds=SECONDS)
    async with (
        upstream(blanks) as up,
        engine(to_ports(up.port), limits) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", b"{}")
        async with asyncio.timeout(LONGEST):
            response = await c.response()
        assert not response.complete
        await within(up.gone)
