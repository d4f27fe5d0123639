"""Background tasks: referenced until they end, and forgotten afterwards."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from addons.adapters.system import tasks
from addons.adapters.system.tasks import spawn


async def test_task_without_other_references_survives_garbage_collection() -> None:
    gate: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reference = weakref.ref(gate)
    results: list[str] = []

    async def work(own: asyncio.Future[str]) -> None:
        results.append(await own)

    spawn(work(gate), "work")
    await asyncio.sleep(0)
    # Only the task refers to the future now; without a reference to the task, both would be collected.
    del gate
    gc.collect()
    alive = reference()
    assert alive is not None
    alive.set_result("done")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert results == ["done"]


async def test_ended_task_is_no_longer_referenced() -> None:
    async def work() -> int:
        return 7

    async def fail() -> None:
        msg = "broken"
        raise RuntimeError(msg)

    task, failing = spawn(work(), "work"), spawn(fail(), "failing work")
    assert task.get_name() == "work"
    assert await task == 7
    with pytest.raises(RuntimeError, match="broken"):
        await failing
    await asyncio.sleep(0)
    assert not {task, failing} & tasks._running
