"""Scripts of upstreams, and plans, that the tests in this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from addons.core.errors import error_reply, problem_of
from addons.core.turn import (
    Answer,
    ClientRequest,
    Fault,
    Head,
    LocalSource,
    Plan,
    Relay,
    Step,
    StreamLocal,
)
from tests.support.engine import Plain
from tests.support.upstream import Exchange, Script
from tests.support.waiting import within

EVENT = b'event: a\ndata: {"n":1}\n\n'
DONE = b'data: {"type":"response.completed"}\n\n'
HEARTBEAT = b'event: response.heartbeat\ndata: {"type":"response.heartbeat"}\n\n'
SSE_HEAD = Head(200, ((b"content-type", b"text/event-stream"),))
BODY = b'{"model":"m"}'


async def turn(exchange: Exchange) -> None:
    """A whole, healthy stream."""
    await exchange.sse_head()
    await exchange.chunk(EVENT)
    await exchange.chunk(DONE)
    await exchange.end()


def answer(status: bytes, body: bytes = b"{}", *headers: bytes) -> Script:
    """A whole JSON answer."""

    async def script(exchange: Exchange) -> None:
        await exchange.whole(body, b"content-type: application/json", *headers, status=status)

    return script


async def silence(exchange: Exchange) -> None:
    """Say nothing until the other side leaves."""
    await exchange.closed()


def begins(*parts: bytes, began: asyncio.Event | None = None) -> Script:
    """A stream that begins with these chunks and then is silent until the other side leaves."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in parts:
            await exchange.chunk(part)
        if began:
            began.set()
        await exchange.closed()

    return script


def gated(first: bytes, gate: asyncio.Event, *rest: bytes) -> Script:
    """A stream that waits for the gate after its first chunk."""

    async def script(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(first)
        await within(gate)
        for part in rest:
            await exchange.chunk(part)
        await exchange.end()

    return script


def raw(data: bytes) -> Script:
    """Write these bytes and close."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(data)
        exchange.writer.close()

    return script


@dataclass
class OneStep:
    """A plan that knows a single step, and explains every fault."""

    request: ClientRequest
    step: Step
    faults: list[Fault] = field(default_factory=list)

    def start(self) -> Step:
        return self.step

    def on_head(self, head: Head) -> Step:
        return Relay(head, Plain())

    def on_body(self, head: Head, body: bytes) -> Step:
        raise AssertionError(head, body)

    def on_fault(self, fault: Fault) -> Step:
        self.faults.append(fault)
        return Answer(error_reply(problem_of(fault), to_codex=self.request.is_codex))


def local_stream(source: LocalSource, head: Head = SSE_HEAD) -> Callable[[ClientRequest], Plan]:
    """Plans that stream what a coroutine writes."""
    return lambda request: OneStep(request, StreamLocal(head, source, Plain()))


def asked(slug: str, make: Callable[[ClientRequest], Plan]) -> Callable[[ClientRequest], Plan]:
    """Plans of turns that the front has read; without a slug, of something that is no turn."""

    def noting(request: ClientRequest) -> Plan:
        request.notes.note_slug(slug, None)
        return make(request)

    return noting
