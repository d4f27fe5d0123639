"""Faults of clients, and turns that are killed in mitmproxy: one function for each fault.

Each function causes the fault and asserts what the client still receives. The caller checks what holds after every
fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from mitmproxy import http

from tests.faults.oracle import seen_in
from tests.faults.shim import CODEX, SDK, RunningShim, complete_answer
from tests.support.client import Client, client
from tests.support.upstream import Exchange
from tests.support.waiting import until

Cause = Callable[[RunningShim], Awaitable[None]]
BIG_EVENTS, BIG = 200, 100_000


@dataclass(frozen=True)
class ClientFault:
    """A row of the fault table."""

    cause: Cause
    what: str
    outcome: str
    local: bool = True
    """Whether it also applies to routes without an upstream."""
    limits: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.cause.__name__


CLIENT_FAULTS: list[ClientFault] = []


def client_fault(
    what: str, outcome: str, *, local: bool = True, **limits: float
) -> Callable[[Cause], Cause]:
    """Return a decorator that adds a function to `CLIENT_FAULTS`."""

    def add(cause: Cause) -> Cause:
        CLIENT_FAULTS.append(ClientFault(cause, what, outcome, local, limits))
        return cause

    return add


async def stall(exchange: Exchange) -> None:
    """Accept the request and do not answer."""
    await exchange.closed()


def turns(shim: RunningShim) -> int:
    return shim.master.shim.engine.live_turns


async def read_begin(shim: RunningShim, c: Client) -> None:
    """Read the response head and the first chunk."""
    await c.head()
    await c.chunk()
    assert turns(shim) == 1


@client_fault("disconnects inside its request head", "nothing is sent upstream")
async def disconnects_in_head(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        await c.send(b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nauthor")
        c.abort()
    assert shim.model_requests() == 0


@client_fault("disconnects inside its request body", "nothing is sent upstream")
async def disconnects_in_body(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        head = (
            b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        )
        await c.send(head + b"content-length: %d\r\n\r\n" % len(shim.body) + shim.body[:-10])
        c.abort()
    await until(lambda: turns(shim) == 0)
    assert shim.model_requests() == 0


@client_fault("sends half a request head", "408 after `head_seconds`, then the connection ends")
async def half_head(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        await c.send(b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        response = await c.response()
        assert (response.status, seen_in(response).code) == (408, "request_timeout")
        assert await c.eof() == b""
    assert shim.model_requests() == 0


@client_fault(
    "sends half a request body",
    "408 after `body_seconds`, then the connection ends",
    body_seconds=0.4,
)
async def half_body(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        head = b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        await c.send(head + b"content-length: %d\r\n\r\n" % len(shim.body) + shim.body[:-10])
        response = await c.response()
        assert (response.status, seen_in(response).code) == (408, "request_timeout")
        assert await c.eof() == b""
    assert shim.model_requests() == 0


@client_fault("half-closes after a request with `Connection: close`", "it gets a whole answer")
async def half_closes(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        await c.post("/v1/responses", shim.body, CODEX, b"connection: close")
        c.writer.write_eof()
        shim.check_whole(await c.response())
        assert await c.eof() == b""


@client_fault("disconnects before the response", "the upstream request is cancelled", local=False)
async def disconnects_before_response(shim: RunningShim) -> None:
    shim.play(stall)
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        await until(lambda: shim.work.running == 1)
        c.abort()
    await until(lambda: shim.work.running == 0)


@client_fault("disconnects inside the stream", "the upstream request is cancelled")
async def disconnects_in_stream(shim: RunningShim) -> None:
    shim.hold()
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        await read_begin(shim, c)
        c.abort()
    await until(lambda: turns(shim) == 0)
    await until(lambda: shim.work.running == 0)


@client_fault(
    "stops reading",
    "the upstream is slowed down; other turns continue; nothing is lost",
    local=False,
)
async def stops_reading(shim: RunningShim) -> None:
    sent = 0
    answer = shim.route.healthy
    padding = answer.middle.replace(b'"lo"', b'"%s"' % (b"x" * BIG))

    async def floods(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.sse_head()
        await exchange.chunk(answer.begin)
        for _ in range(BIG_EVENTS):
            await exchange.chunk(padding)
            sent += 1
        await exchange.chunk(answer.middle + answer.end + answer.tail)
        await exchange.end()

    shim.play(floods)
    reader, writer = await asyncio.open_connection("127.0.0.1", shim.port, limit=1 << 16)
    c = Client(reader, writer)
    await shim.post(c, CODEX)
    begun = await c.head()
    await stops_rising(lambda: sent)
    assert sent < BIG_EVENTS
    await check_other_turn(shim)
    response = await c.rest(begun)
    assert response.complete
    assert seen_in(response).terminal == "response.completed"
    assert sent == BIG_EVENTS
    c.close()


async def stops_rising(count: Callable[[], int]) -> None:
    """Wait until a rising count no longer rises."""
    last, same = -1, 0
    while same < 10:
        same = same + 1 if count() == last and last > 0 else 0
        last = count()
        await asyncio.sleep(0.02)


async def check_other_turn(shim: RunningShim) -> None:
    running = shim.up.scripts[:]
    shim.play(complete_answer(shim.route))
    shim.check_whole(await shim.ask(SDK))
    shim.up.scripts[:] = running


@client_fault("stops reading, then disconnects", "the upstream request is cancelled", local=False)
async def stops_reading_and_disconnects(shim: RunningShim) -> None:
    async def floods(exchange: Exchange) -> None:
        await exchange.sse_head()
        while True:
            await exchange.chunk(shim.route.healthy.begin + b": " + b"x" * BIG + b"\n\n")

    shim.play(floods)
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        await until(lambda: shim.work.running == 1)
        await c.head()
        c.abort()
    await until(lambda: shim.work.running == 0)


@client_fault(
    "accepts nothing for `unread_seconds`",
    "`response.failed`, and the upstream request is cancelled",
    local=False,
    unread_seconds=0.5,
)
async def never_reads(shim: RunningShim) -> None:
    answer = shim.route.healthy
    padding = answer.middle.replace(b'"lo"', b'"%s"' % (b"x" * BIG))

    async def floods(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(answer.begin)
        while True:
            await exchange.chunk(padding)

    shim.play(floods)
    reader, writer = await asyncio.open_connection("127.0.0.1", shim.port, limit=1 << 16)
    c = Client(reader, writer)
    await shim.post(c, CODEX)
    await until(lambda: shim.work.running == 1)
    await until(lambda: shim.work.running == 0)
    response = await c.response()
    shim.check_one_answer(response)
    assert seen_in(response).code == "answer_unread"
    c.close()


@client_fault("sends two turns on one connection", "each gets a whole answer")
async def two_turns(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        for who in (CODEX, SDK):
            await shim.post(c, who)
            shim.check_whole(await c.response())


@client_fault("sends its next turn before the response", "both get whole answers, in order")
async def pipelines(shim: RunningShim) -> None:
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        await shim.post(c, CODEX)
        for _ in range(2):
            shim.check_whole(await c.response())


class _Watcher:
    """An addon that sees every flow, as mitmweb does."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


def add_watcher(shim: RunningShim) -> _Watcher:
    watcher = _Watcher()
    shim.master.addons.add(watcher)
    return watcher


@client_fault("is killed in mitmweb before the response", "`response.failed`, or 503", local=False)
async def killed_before_response(shim: RunningShim) -> None:
    watcher = add_watcher(shim)
    for who, status in ((CODEX, 200), (SDK, 503)):
        shim.play(stall)
        async with client(shim.port) as c:
            await shim.post(c, who)
            await until(lambda: shim.work.running == 1)
            watcher.flows[-1].kill()
            response = await c.response()
        seen = seen_in(response)
        assert (seen.status, seen.code) == (status, "invalid_prompt")
        assert "by hand" in seen.message
        await until(lambda: shim.work.running == 0)


@client_fault("is killed in mitmweb inside the stream", "`response.failed` between two events")
async def killed_in_stream(shim: RunningShim) -> None:
    watcher = add_watcher(shim)
    shim.hold()
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        watcher.flows[-1].kill()
        response = await c.rest(begun)
    response.body = first + response.body
    shim.check_one_answer(response)
    assert seen_in(response).code == "invalid_prompt"
    await until(lambda: shim.work.running == 0)


@client_fault(
    "has a turn while the shim shuts down (SIGTERM)", "`response.failed` after `drain_seconds`"
)
async def shut_down(shim: RunningShim) -> None:
    shim.hold()
    async with client(shim.port) as c:
        await shim.post(c, CODEX)
        begun = await c.head()
        first = await c.chunk()
        ending = asyncio.ensure_future(shim.master.shim.engine.shutdown())
        response = await c.rest(begun)
        await ending
    response.body = first + response.body
    shim.check_one_answer(response)
    assert seen_in(response).code == "shutting_down"
    await until(lambda: shim.work.running == 0)
