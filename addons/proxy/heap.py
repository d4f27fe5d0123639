"""Keeps freed memory while turns of megabytes come, and returns it to the system afterwards.

A parsed body of 10 MB is thousands of blocks, and orjson takes one of 120 MB while it parses it. glibc returns each
block to the system as soon as it is free, and the next turn pays for every page again, which is half of the time that
parsing takes. Does nothing where the C library is not glibc.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable

LARGE_BODY = 512 * 1024
"""Bytes of a request body from which on a turn counts as large."""
QUIET_SECONDS = 2.0
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # <malloc.h>
_KEPT_BYTES = 256 * 1024 * 1024
_MAPPED_BLOCKS = 0
"""How many blocks may have pages of their own, which go back at once: every block of more than 32 MB would."""


def keep_freed_memory() -> None:
    """Make glibc keep freed memory in the process."""
    if libc := _glibc():
        libc.mallopt(_M_MMAP_MAX, _MAPPED_BLOCKS)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


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
    """Returns freed memory some time after the last large turn. Lives on the event loop."""

    def __init__(self, trim: Callable[[], None] = trim_heap) -> None:
        self._trim = trim
        self._due: asyncio.TimerHandle | None = None

    def large_turn_ended(self) -> None:
        """Start the wait anew. Called for each turn with a body of `LARGE_BODY` or more."""
        self.close()
        loop = asyncio.get_running_loop()
        # On a thread: trimming walks the whole heap.
        self._due = loop.call_later(QUIET_SECONDS, lambda: loop.run_in_executor(None, self._trim))

    def close(self) -> None:
        """Cancel the wait."""
        if self._due:
            self._due.cancel()
