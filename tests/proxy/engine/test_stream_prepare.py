"""A plan that has something done before its next attempt: the engine waits, and stops it when the turn ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from addons.core.errors import Problem
from addons.core.turn import Answer, ClientRequest, Fault, Head, Plan, Prepare, Send, Step
from addons.proxy.engine.local_source import SLICED_BYTES
from addons.proxy.engine.states import UpstreamState
from tests.boundary.scripts import BODY, DONE, EVENT, answer, gated, raw
from tests.boundary.scripts import turn as whole_turn
from tests.support.client import client
from tests.support.engine import QUICK, ScriptedPlan, engine, only_stream, wire_to
from tests.support.upstream import upstream
from tests.support.waiting import until, within


@dataclass
class Prepared(ScriptedPlan):
    """Prepares before the attempt: at the start, or after a fault or a status."""

    work: Callable[[], Awaitable[None]] | None = None
    at: str = "start"

    def _prepare(self) -> Step:
        assert self.work
        return Prepare(self.work, lambda: Send(self.wires.pop(0)))

    def start(self) -> Step:
        return self._prepare() if self.at == "start" else super().start()

    def on_head(self, head: Head) -> Step:
        return self._prepare() if self.at == "head" and self.wires else super().on_head(head)

    def on_fault(self, fault: Fault) -> Step:
        return self._prepare() if self.at == "fault" and self.wires else super().on_fault(fault)


def plans(
    work: Callable[[], Awaitable[None]], *ports: int, at: str = "start"
) -> Callable[[ClientRequest], Plan]:
    return lambda request: Prepared(
        request, [wire_to(one, request) for one in ports], work=work, at=at
    )


@pytest.mark.parametrize("at", ["start", "head", "fault"])
async def test_attempt_follows_when_the_work_is_done(at: str) -> None:
    gate, began, more = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        await gate.wait()

    first = {"start": (), "head": (answer(b"503 Unavailable"),), "fault": (raw(b""),)}[at]
    async with upstream(*first, gated(EVENT, more, DONE)) as up:
        ports = [up.port] * (len(first) + 1)
        async with engine(plans(work, *ports, at=at)) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await within(began)
            assert len(up.requests) == len(first)
            stream = only_stream(proxy.engine)
            assert stream.state.upstream is UpstreamState.PREPARING
            # no timer of the attempt before is due meanwhile
            assert stream.response_side._wakeup is None
            gate.set()
            begun = await c.head()
            assert await c.chunk() == EVENT
            # what the upstream sends is judged as an upstream's, not as a local source's
            assert stream.response_side.source is None
            more.set()
            assert (await c.rest(begun)).body == DONE
    assert len(up.requests) == len(first) + 1


async def test_client_that_leaves_cancels_the_work() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with upstream(whole_turn) as up, engine(plans(work, up.port)) as proxy:
        async with client(proxy.port) as c:
            await c.post("/v1/responses", BODY)
            await within(began)
        await within(cancelled)
        await until(lambda: proxy.engine.live_turns == 0)
    assert up.requests == []


async def test_killed_turn_is_answered_and_its_work_cancelled() -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with (
        upstream(whole_turn) as up,
        engine(plans(work, up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        await within(began)
        proxy.flow.kill()
        response = await c.response()
        await within(cancelled)
    assert response.status == 503
    assert up.requests == []


async def test_work_that_raises_ends_the_turn_with_an_internal_error() -> None:
    async def work() -> None:
        msg = "what must not be shown"
        raise ValueError(msg)

    async with (
        upstream(whole_turn) as up,
        engine(plans(work, up.port)) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", BODY)
        response = await c.response()
    assert b"shim_bug" in response.body
    assert b"must not" not in response.body
    assert up.requests == []


async def test_answer_may_follow_the_work() -> None:
    async def work() -> None: ...

    refusal = Problem(400, "code", "text")

    @dataclass
    class Refusing(Prepared):
        def start(self) -> Step:
            return Prepare(work, lambda: Answer(refusal.reply()))

    async with engine(lambda request: Refusing(request, [])) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", BODY)
        assert (await c.response()).status == 400


@dataclass
class Sliced(ScriptedPlan):
    """Works in three slices, each of which has to find that the loop has gone round twice since the one before."""

    done: list[int] = field(default_factory=list)
    raises: bool = False
    _rounds: int = 0

    def slice(self) -> bool:
        if self.raises:
            msg = "what must not be shown"
            raise ValueError(msg)
        self.done.append(self._rounds)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._count)
        return len(self.done) < 3

    def _count(self) -> None:
        self._rounds += 1

    def start(self) -> Step:
        self.done.append(self._rounds)
        return super().start()


ROOMY = replace(QUICK, body_bytes=2 * SLICED_BYTES)
LARGE = b'{"model":"m","input":"%b"}' % (b"x" * SLICED_BYTES)


async def test_plan_works_on_a_large_body_in_slices_between_which_the_loop_goes_on() -> None:
    made: list[Sliced] = []

    def plan(request: ClientRequest) -> Plan:
        made.append(Sliced(request, [wire_to(up.port, request)]))
        return made[-1]

    async with upstream(whole_turn, whole_turn) as up:
        async with engine(plan, ROOMY) as proxy, client(proxy.port) as c:
            await c.post("/v1/responses", LARGE)
            assert (await c.response()).complete
            await c.post("/v1/responses", BODY)
            assert (await c.response()).complete
        assert [one.body for one in up.requests] == [LARGE, BODY]
    large, small = made
    assert large.done == [0, 1, 2, 3]
    assert small.done == [0]


async def test_slice_that_raises_ends_the_turn_with_an_internal_error() -> None:
    plan = lambda request: Sliced(request, [], raises=True)  # noqa: E731
    async with engine(plan, ROOMY) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", LARGE)
        response = await c.response()
    assert b"shim_bug" in response.body
    assert b"must not" not in response.body
