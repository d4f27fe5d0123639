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


async def test_many_turns_trim_the_heap_at_once_but_not_between_large_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heap, "QUIET_SECONDS", 0.01)
    given: list[int] = []
    trimmer = heap.HeapTrimmer(lambda: given.append(1))
    trimmer.many_turns_ended()
    await until(lambda: given == [1])
    trimmer.large_turn_ended()
    trimmer.many_turns_ended()
    assert given == [1]
    await until(lambda: given == [1, 1])
    trimmer.many_turns_ended()
    await until(lambda: given == [1, 1, 1])


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


COUNT_HEAPS = """
import ctypes, threading
from addons.proxy.heap import share_heap

share_heap()
threads = [threading.Thread(target=lambda: [bytes(3000) for _ in range(100)]) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


@pytest.mark.skipif(heap._glibc() is None, reason="needs glibc")
def test_threads_share_one_heap() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", COUNT_HEAPS], capture_output=True, text=True, check=True
    )
    assert ran.stdout.count("<heap nr") == 1


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
