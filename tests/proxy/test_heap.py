"""Memory of large turns returns to the system once they stop."""

from __future__ import annotations

import asyncio

import pytest

from addons.proxy import heap
from tests.support.waiting import until


async def test_heap_is_trimmed_once_after_the_last_large_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap, "QUIET_SECONDS", 0.01)
    given: list[int] = []
    trimmer = heap.HeapTrimmer(lambda: given.append(1))
    trimmer.large_turn_ended()
    trimmer.large_turn_ended()
    await until(lambda: bool(given))
    await asyncio.sleep(0.05)
    assert given == [1]


async def test_closed_trimmer_does_not_trim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "QUIET_SECONDS", 0.01)
    given: list[int] = []
    trimmer = heap.HeapTrimmer(lambda: given.append(1))
    trimmer.large_turn_ended()
    trimmer.close()
    await asyncio.sleep(0.05)
    assert given == []


def test_real_calls_do_not_fail() -> None:
    heap.keep_freed_memory()
    heap.trim_heap()
