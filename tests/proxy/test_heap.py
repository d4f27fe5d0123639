"""Memory of large turns returns to the system once they stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys

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


PARSE_TWICE = """
import resource, orjson
from addons.proxy.heap import keep_freed_memory

keep_freed_memory()
body = orjson.dumps(["x" * 20_000] * 250)
orjson.loads(body)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
orjson.loads(body)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""A body of 5 MB has 1,200 pages, and its parser takes a block of 60 MB."""


@pytest.mark.skipif(heap._glibc() is None, reason="needs glibc")
def test_second_large_body_is_parsed_in_the_pages_of_the_first() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PARSE_TWICE], capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) < 100
