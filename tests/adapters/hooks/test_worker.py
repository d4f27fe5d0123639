"""The thread of a turn: order, coroutines, and calls that do not return."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from addons.adapters.hooks import worker
from addons.adapters.hooks.worker import HookLoop, HookWorker
from addons.core.hooks.chain import ON_TURN, Hook, HookError


async def test_jobs_run_in_one_thread_in_order_and_it_ends() -> None:
    one = HookWorker(HookLoop())
    seen: list[threading.Thread | None] = []

    def job(number: int) -> int:
        seen.append(threading.current_thread())
        return number

    assert [await one.run(partial(job, number)) for number in range(3)] == [0, 1, 2]
    thread = seen[0]
    assert thread is not None
    assert len(set(seen)) == 1
    assert thread is not threading.current_thread()
    one.end_with(lambda: seen.append(None))
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    assert seen[-1] is None


async def test_what_a_job_raises_is_raised() -> None:
    one = HookWorker(HookLoop())

    def fail() -> None:
        msg = "no"
        raise KeyError(msg)

    with pytest.raises(KeyError):
        await one.run(fail)
    assert await one.run(lambda: 7) == 7
    one.stop()


async def test_coroutines_share_one_loop_that_is_not_this_one() -> None:
    loops: list[object] = []

    async def on_turn(turn: object) -> object:
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return turn

    shared, hook = HookLoop(), Hook("h", on_turn)
    for _ in range(2):
        one = HookWorker(shared)
        assert await one.run(lambda one=one: one.call(hook, ON_TURN, 7)) == 7  # type: ignore[misc]
        one.stop()
    assert loops[0] is loops[1] is not asyncio.get_running_loop()


async def test_overdue_call_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worker.SECONDS, ON_TURN, 0.05)
    go, cancelled = threading.Event(), threading.Event()

    async def hangs(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    for hook in (Hook("sync", go.wait), Hook("async", hangs)):
        one = HookWorker(HookLoop())
        with pytest.raises(HookError, match=r"did not return within 0\.05 s"):
            await one.run(lambda one=one, hook=hook: one.call(hook, ON_TURN, None))  # type: ignore[misc]
        assert one.hung is hook
    go.set()
    assert await asyncio.to_thread(cancelled.wait, 10)


async def test_caller_that_is_cancelled_leaves_the_thread_alone() -> None:
    entered, go = threading.Event(), threading.Event()
    one = HookWorker(HookLoop())

    def wait() -> None:
        entered.set()
        go.wait()

    task = asyncio.ensure_future(one.run(wait))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    assert await one.run(lambda: 7) == 7
    one.stop()
