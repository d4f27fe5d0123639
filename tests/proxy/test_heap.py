"""Memory of large turns goes back once they stop."""

from __future__ import annotations

import asyncio

import pytest

from addons.proxy import heap
from tests.support.waiting import until


async def test_gives_back_after_the_last_large_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "QUIET_SECONDS", 0.01)
    given: list[int] = []
    keeper = heap.HeapKeeper(lambda: given.append(1))
    keeper.turn_ended(heap.LARGE_BODY)
    keeper.turn_ended(heap.LARGE_BODY)
    await until(lambda: bool(given))
    await asyncio.sleep(0.05)
    assert given == [1]


async def test_small_turns_give_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "QUIET_SECONDS", 0.0)
    given: list[int] = []
    heap.HeapKeeper(lambda: given.append(1)).turn_ended(heap.LARGE_BODY - 1)
    await asyncio.sleep(0.05)
    assert given == []


def test_the_real_calls_do_no_harm() -> None:
    heap.keep_freed_memory()
    heap.give_back()
