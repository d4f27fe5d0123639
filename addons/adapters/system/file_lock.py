"""Mutual exclusion between processes: an operating system lock on a lock file, which is deleted afterwards.

Never does: wait past its limit, take the existence of the file for a lock (a crash leaves the file behind).
Invariant: the holder has locked the file that has the name now.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_SECONDS = 0.02
WAIT_SECONDS = 10.0


class LockedError(Exception):
    """Another process holds the lock. The message is for the user."""


@contextmanager
def locked(path: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of this name. Raises LockedError, or OSError when the folder is not writable."""
    descriptor = _acquired(path, time.monotonic() + wait_seconds)
    try:
        yield
    finally:
        _release(path, descriptor)


def _acquired(path: Path, deadline: float) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        if try_lock(descriptor) and _has_name(descriptor, path):
            return descriptor
        os.close(descriptor)
        if time.monotonic() >= deadline:
            msg = f"another codex-shim holds the lock {path}"
            raise LockedError(msg)
        time.sleep(POLL_SECONDS)


def _has_name(descriptor: int, path: Path) -> bool:
    """Return whether the previous holder has not deleted the file between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def try_lock(descriptor: int) -> bool:
        """Lock an open file and return whether that succeeded. Closing the file unlocks it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(path: Path, descriptor: int) -> None:
        os.close(descriptor)
        # Windows refuses to delete a file that another process has open; that process deletes it.
        with contextlib.suppress(OSError):
            path.unlink()

else:

    def try_lock(descriptor: int) -> bool:
        """Lock an open file and return whether that succeeded. Closing the file unlocks it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(path: Path, descriptor: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        os.close(descriptor)
