"""What clients do to a shim, and what whoever watches a turn in mitmproxy does: one function a fault.

Each brings the fault about, and asserts what that client is still told. What holds after every fault is the caller's
to check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mitmproxy import http

from tests.faults.oracle import seen_in
from tests.faults.stage import CODEX, SDK, Stage, whole
from tests.support.client import Client, client
from tests.support.upstream import Exchange
from tests.support.waiting import until

Act = Callable[[Stage], Awaitable[None]]
BIG_EVENTS, BIG = 200, 100_000


@dataclass(frozen=True)
class ClientFault:
    """A row of the matrix."""

    act: Act
    what: str
    outcome: str
    local: bool = True
    """Whether routes without an upstream meet it as well."""

    def __str__(self) -> str:
        return self.act.__name__


ACTS: list[ClientFault] = []


def row(what: str, outcome: str, *, local: bool = True) -> Callable[[Act], Act]:
    """Enter a function into the matrix."""

    def enter(act: Act) -> Act:
        ACTS.append(ClientFault(act, what, outcome, local))
        return act

    return enter


async def mute(exchange: Exchange) -> None:
    """Takes the request and says nothing."""
    await exchange.closed()


def turns(one: Stage) -> int:
    return one.master.shim.engine.live_turns


async def under_way(one: Stage, c: Client) -> None:
    """Read the answer's head and its first part."""
    await c.head()
    await c.chunk()
    assert turns(one) == 1


@row("leaves inside its own head", "nothing is sent on")
async def leaves_in_head(one: Stage) -> None:
    async with client(one.port) as c:
        await c.send(b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nauthor")
        c.abort()
    assert one.model_requests() == 0


@row("leaves inside its own body", "nothing is sent on")
async def leaves_in_body(one: Stage) -> None:
    async with client(one.port) as c:
        head = (
            b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        )
        await c.send(head + b"content-length: %d\r\n\r\n" % len(one.body) + one.body[:-10])
        c.abort()
    await until(lambda: turns(one) == 0)
    assert one.model_requests() == 0


@row("sends half a head and no more", "408 after `head_seconds`, then the connection ends")
async def half_head(one: Stage) -> None:
    async with client(one.port) as c:
        await c.send(b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        response = await c.response()
        assert (response.status, seen_in(response).code) == (408, "request_timeout")
        assert await c.eof() == b""
    assert one.model_requests() == 0


@row("leaves before it is answered", "the upstream's work is cancelled", local=False)
async def leaves_before_answer(one: Stage) -> None:
    one.play(mute)
    async with client(one.port) as c:
        await one.post(c, CODEX)
        await until(lambda: one.work.running == 1)
        c.abort()
    await until(lambda: one.work.running == 0)


@row("leaves inside the stream", "the upstream's work is cancelled")
async def leaves_in_stream(one: Stage) -> None:
    one.hold()
    async with client(one.port) as c:
        await one.post(c, CODEX)
        await under_way(one, c)
        c.abort()
    await until(lambda: turns(one) == 0)
    await until(lambda: one.work.running == 0)


@row("stops reading", "the upstream is held back; other turns go on; nothing is lost", local=False)
async def stops_reading(one: Stage) -> None:
    sent = 0
    speech = one.route.speech
    padding = speech.middle.replace(b'"lo"', b'"%s"' % (b"x" * BIG))

    async def floods(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.sse_head()
        await exchange.chunk(speech.begin)
        for _ in range(BIG_EVENTS):
            await exchange.chunk(padding)
            sent += 1
        await exchange.chunk(speech.middle + speech.end + speech.tail)
        await exchange.end()

    one.play(floods)
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port, limit=1 << 16)
    c = Client(reader, writer)
    await one.post(c, CODEX)
    begun = await c.head()
    await held_back(lambda: sent)
    assert sent < BIG_EVENTS
    await others_go_on(one)
    response = await c.rest(begun)
    assert response.complete
    assert seen_in(response).terminal == "response.completed"
    assert sent == BIG_EVENTS
    c.close()


async def held_back(count: Callable[[], int]) -> None:
    """Wait until a count that rises rises no more."""
    last, same = -1, 0
    while same < 10:
        same = same + 1 if count() == last and last > 0 else 0
        last = count()
        await asyncio.sleep(0.02)


async def others_go_on(one: Stage) -> None:
    running = one.up.scripts[:]
    one.play(whole(one.route))
    one.is_whole(await one.ask(SDK))
    one.up.scripts[:] = running


@row("stops reading, then leaves", "the upstream's work is cancelled", local=False)
async def stops_reading_and_leaves(one: Stage) -> None:
    async def floods(exchange: Exchange) -> None:
        await exchange.sse_head()
        while True:
            await exchange.chunk(one.route.speech.begin + b": " + b"x" * BIG + b"\n\n")

    one.play(floods)
    async with client(one.port) as c:
        await one.post(c, CODEX)
        await until(lambda: one.work.running == 1)
        await c.head()
        c.abort()
    await until(lambda: one.work.running == 0)


@row("sends two turns on one connection", "each is answered whole")
async def two_turns(one: Stage) -> None:
    async with client(one.port) as c:
        for who in (CODEX, SDK):
            await one.post(c, who)
            one.is_whole(await c.response())


@row("sends its next turn before it is answered", "both are answered whole, in order")
async def pipelines(one: Stage) -> None:
    async with client(one.port) as c:
        await one.post(c, CODEX)
        await one.post(c, CODEX)
        for _ in range(2):
            one.is_whole(await c.response())


class _Watcher:
    """What mitmweb does: it sees each flow, and may kill it."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


def watched(one: Stage) -> _Watcher:
    watcher = _Watcher()
    one.master.addons.add(watcher)
    return watcher


@row("is killed in mitmweb before it is answered", "`response.failed`, or 503", local=False)
async def killed_before_answer(one: Stage) -> None:
    watcher = watched(one)
    for who, status in ((CODEX, 200), (SDK, 503)):
        one.play(mute)
        async with client(one.port) as c:
            await one.post(c, who)
            await until(lambda: one.work.running == 1)
            watcher.flows[-1].kill()
            response = await c.response()
        seen = seen_in(response)
        assert (seen.status, seen.code) == (status, "invalid_prompt")
        assert "by hand" in seen.message
        await until(lambda: one.work.running == 0)


@row("is killed in mitmweb inside the stream", "`response.failed` at the next border")
async def killed_in_stream(one: Stage) -> None:
    watcher = watched(one)
    one.hold()
    async with client(one.port) as c:
        await one.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        watcher.flows[-1].kill()
        response = await c.rest(begun)
    response.body = first + response.body
    one.is_one_answer(response)
    assert seen_in(response).code == "invalid_prompt"
    await until(lambda: one.work.running == 0)


@row("meets a shim that is told to end (SIGTERM)", "`response.failed` after `drain_seconds`")
async def shut_down(one: Stage) -> None:
    one.hold()
    async with client(one.port) as c:
        await one.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        ending = asyncio.ensure_future(one.master.shim.engine.shutdown())
        response = await c.rest(begun)
        await ending
    response.body = first + response.body
    one.is_one_answer(response)
    assert seen_in(response).code == "shutting_down"
    await until(lambda: one.work.running == 0)
