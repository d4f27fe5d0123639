"""Lets turns of megabytes reuse their memory, and gives it back when they stop.

A parsed body of 10 MB is thousands of blocks. glibc returns each to the system as soon as it is free, and the next turn
pays for every page again: half of the time that parsing takes. So freed memory is kept while such turns come, and
handed back once none has come for a moment. Does nothing where the C library is another one.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable

LARGE_BODY = 512 * 1024
QUIET_SECONDS = 2.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT_BYTES = 256 * 1024 * 1024
_MAPPED_BYTES = 32 * 1024 * 1024
"""The most that glibc takes. Larger blocks still go back at once."""


def keep_freed_memory() -> None:
    """Let freed memory stay with the process."""
    if libc := _glibc():
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back() -> None:
    """Hand what is free to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


class HeapKeeper:
    """Watches turns end. `turn_ended` is for the event loop."""

    def __init__(self, give_back: Callable[[], None] = give_back) -> None:
        self._give_back = give_back
        self._due: asyncio.TimerHandle | None = None

    def turn_ended(self, body_bytes: int) -> None:
        """Put off giving back, once more if this turn was a large one."""
        if body_bytes < LARGE_BODY:
            return
        self.close()
        loop = asyncio.get_running_loop()
        # beside the loop: it walks the whole heap
        self._due = loop.call_later(
            QUIET_SECONDS, lambda: loop.run_in_executor(None, self._give_back)
        )

    def close(self) -> None:
        """Give nothing back any more."""
        if self._due:
            self._due.cancel()
