"""Keeps freed memory while turns of megabytes come, and returns it to the system afterwards and every thousand turns.

A parsed body of 10 MB is thousands of blocks, and orjson takes one of 120 MB while it parses it. glibc returns each
block to the system as soon as it is free, and the next turn pays for every page again, which is half of the time that
parsing takes. Memory that turns of any size took while many ran at once, or waited to be logged, would stay for good.
Does nothing where the C library is not glibc.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable

LARGE_BODY = 512 * 1024
"""Bytes of a request body or an answer from which on a turn counts as large."""
INFLATION = 8
"""How many times as long a body is without its content-encoding. JSON in zstd is 4 to 12 times."""
QUIET_SECONDS = 2.0
MANY_TURNS = 1000
"""Turns of any size between two trims, each of which takes less than a millisecond."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # <malloc.h>
_KEPT_BYTES = 256 * 1024 * 1024
_MAPPED_BLOCKS = 0
"""How many blocks may have pages of their own, which go back at once: every block of more than 32 MB would."""
_ARENAS = 1
"""How many heaps there are. With one of its own, the thread of the turn log keeps as much again of what it has freed."""


def keep_freed_memory() -> None:
    """Make glibc keep freed memory in the process."""
    if libc := _glibc():
        libc.mallopt(_M_MMAP_MAX, _MAPPED_BLOCKS)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def share_heap() -> None:
    """Make glibc use one heap for all threads. Without effect on threads that run, and on their successors."""
    if libc := _glibc():
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def trim_heap() -> None:
    """Return all free memory to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


class HeapTrimmer:
    """Returns freed memory some time after the last large turn, and after many of any size. Lives on the event loop."""

    def __init__(self, trim: Callable[[], None] = trim_heap) -> None:
        self._trim = trim
        self._due: asyncio.TimerHandle | None = None

    def large_turn_ended(self) -> None:
        """Start the wait anew. Called for each turn with a body or an answer of `LARGE_BODY` or more."""
        self.close()
        self._due = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._start)

    def many_turns_ended(self) -> None:
        """Trim at once, unless large turns come. Called after each `MANY_TURNS`."""
        if self._due is None:
            self._start()

    def close(self) -> None:
        """Cancel the wait."""
        if self._due:
            self._due.cancel()
            self._due = None

    def _start(self) -> None:
        self._due = None
        # On a thread: trimming walks the whole heap.
        asyncio.get_running_loop().run_in_executor(None, self._trim)
