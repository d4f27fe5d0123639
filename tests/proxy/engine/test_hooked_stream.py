"""How turns end whose answers wait for hooks: the client leaves, a kill, a fault of the upstream, a refusal, a shutdown."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

import orjson
import pytest

from addons.adapters.hooks import worker
from addons.hooks import End
from addons.proxy.engine.interfaces import LiveTurn
from addons.proxy.engine.states import UpstreamState
from addons.proxy.engine.stream import TurnStream
from tests.boundary.hook_turns import (
    CODEX,
    answers,
    delta,
    error_of,
    native,
    sent_to,
    serving,
    types,
    use,
)
from tests.boundary.surfaces import DEMO, TURN, Home, Running
from tests.support.client import client
from tests.support.upstream import Exchange
from tests.support.waiting import LONGEST, until

WAITS = """
import threading
entered, go, ends = threading.Event(), threading.Event(), []
def wait(turn):
    if turn.thread == "waits":
        entered.set()
        go.wait()
def on_end(turn, end): ends.append(end)
"""
WAITS_IN_TURN = WAITS + "def on_turn(turn):\n    wait(turn)\n    return turn\n"
WAITS_IN_EVENT = WAITS + "def on_event(turn, event):\n    wait(turn)\n    return event\n"
THREAD = b"thread-id: waits"


class Module:
    """The module of the first hook, whose functions wait for the test."""

    def __init__(self, proxy: Running, home: Home, text: str) -> None:
        use(proxy, home, text)
        self._module = sys.modules["codex_shim_hook_0_hook_0"]

    async def entered(self) -> None:
        await asyncio.to_thread(self._module.entered.wait, LONGEST)

    def go(self) -> None:
        self._module.go.set()

    async def ends(self) -> list[End]:
        ends: list[End] = self._module.ends
        await until(lambda: ends)
        return ends


def has_both(ends: list[End]) -> bool:
    return len(ends) == 2


def pumps() -> list[str]:
    """Return the tasks that bring clients what waited for hooks, or for a local source."""
    return [task.get_name() for task in asyncio.all_tasks() if "local source" in task.get_name()]


def is_idle(turn: LiveTurn) -> bool:
    """Return whether the upstream of a turn has ended."""
    assert isinstance(turn, TurnStream)
    return turn.state.upstream is UpstreamState.IDLE


async def test_client_that_leaves_ends_the_turn_whatever_the_hook_does(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.log_in()
    for name in worker.SECONDS:
        monkeypatch.setitem(worker.SECONDS, name, 3 * LONGEST)
    left = asyncio.Event()

    async def hangs(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(native()[:-10])
        await exchange.closed()
        left.set()

    home.backend.scripts[:] = [hangs]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for text in (WAITS_IN_TURN, WAITS_IN_EVENT):
            module = Module(proxy, home, text)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                # another turn goes on meanwhile
                assert types(await proxy.post(DEMO, CODEX))[-1] == "response.completed"
                c.abort()
            await until(lambda: not proxy.shim.engine.live_turns)
            await until(lambda: not pumps())
            module.go()
            ends = await module.ends()
            await until(partial(has_both, ends))
            assert {end.outcome for end in ends} == {"complete", "client_left"}
        await left.wait()
    assert len(sent_to(home)) == 1


async def test_kill_in_mitmproxy_ends_the_turn_with_one_failure_whatever_the_hook_does(
    home: Home,
) -> None:
    home.log_in()
    home.backend.scripts[:] = [answers(native(delta("hi")))]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for text in (WAITS_IN_TURN, WAITS_IN_EVENT):
            module = Module(proxy, home, text)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                (turn,) = proxy.shim.engine._turns.values()
                turn.flow.kill()
                answer = await c.response()
            module.go()
            assert types(answer) == ["response.failed"]
            assert "by hand" in error_of(answer)["message"]
            assert [end.outcome for end in await module.ends()] == ["killed"]


async def test_what_came_before_the_end_of_an_upstream_passes_the_hooks(home: Home) -> None:
    home.log_in()
    whole = native(delta("hi"))
    cut = whole[: whole.index(b"event: response.completed") + 9]
    resets = asyncio.Event()

    async def ends_hard(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(exchange_body[0])
        exchange.writer.close()
        resets.set()

    exchange_body = [b""]
    home.backend.scripts[:] = [ends_hard]
    async with serving(home) as proxy, asyncio.timeout(LONGEST):
        for sent, last in ((cut, "response.failed"), (whole, "response.completed")):
            exchange_body[0] = sent
            resets.clear()
            module = Module(proxy, home, WAITS_IN_EVENT)
            async with client(proxy.port) as c:
                await c.post("/v1/responses", TURN, CODEX, THREAD)
                await module.entered()
                await resets.wait()
                (turn,) = proxy.shim.engine._turns.values()
                await until(partial(is_idle, turn))
                module.go()
                answer = await c.response()
            assert answer.complete
            assert types(answer) == ["response.created", "response.output_text.delta", last]
            expected = "complete" if last == "response.completed" else "cut"
            assert [end.outcome for end in await module.ends()] == [expected]


async def test_refused_answer_stops_the_upstream_at_once(home: Home) -> None:
    home.log_in()
    left = asyncio.Event()

    async def goes_on(exchange: Exchange) -> None:
        await exchange.sse_head()
        await exchange.chunk(native(delta("rm -rf")).partition(b"event: response.completed")[0])
        await exchange.closed()
        left.set()

    home.backend.scripts[:] = [goes_on]
    hook = """
    def on_event(turn, event):
        return Refuse("no") if "rm" in event.data.get("delta", "") else event
    """
    home.settings.write_bytes(orjson.dumps({"limits": {"linger_seconds": 3 * LONGEST}}))
    async with serving(home, hook) as proxy, asyncio.timeout(LONGEST):
        answer = await proxy.post(TURN, CODEX)
        await left.wait()
    assert types(answer) == ["response.created", "response.failed"]
    assert b"rm -rf" not in answer.body
