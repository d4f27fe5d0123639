"""Tells whether a Codex process has a thread open, and keeps Codex from opening it meanwhile.

Codex locks `thread-writer-locks/<id>.lock` in its home while it has the thread open, and deletes that file under the lock of
`.coordination.lock` (flock; observed with 0.169 and 0.171, absent in 0.133). This module takes the same locks. On Linux an
open rollout of any version is found by its file descriptor.

Never does: wait for Codex to close a thread, delete the coordination file. Invariant: while the body of `writer_lock` runs
with True, a Codex that uses these locks cannot open the thread.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from addons.adapters.system.file_lock import try_lock
from addons.adapters.system.paths import codex_home

FOLDER, COORDINATION = "thread-writer-locks", ".coordination.lock"
WAIT_SECONDS, POLL_SECONDS = 5.0, 0.02


@contextmanager
def writer_lock(env: Mapping[str, str], thread_id: str) -> Iterator[bool]:
    """Hold Codex's lock of a thread. Yields False, without the lock, when Codex has it. Raises OSError."""
    folder = codex_home(env) / FOLDER
    if not folder.is_dir():
        yield True
        return
    path = folder / f"{thread_id}.lock"
    with _coordinated(folder):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        is_held = try_lock(descriptor)
    try:
        yield is_held
    finally:
        if is_held:
            with _coordinated(folder), contextlib.suppress(OSError):
                path.unlink()
        os.close(descriptor)


def open_rollouts() -> frozenset[Path]:
    """Return the rollouts that a process has open, as far as this user may see that. Empty except on Linux."""
    if sys.platform != "linux":
        return frozenset()
    found: set[Path] = set()
    for process in os.scandir("/proc"):
        if process.name.isdecimal() and process.name != str(os.getpid()):
            with contextlib.suppress(OSError):
                found.update(_open_files(f"{process.path}/fd"))
    return frozenset(found)


def _open_files(folder: str) -> Iterator[Path]:
    for descriptor in os.scandir(folder):
        with contextlib.suppress(OSError):
            name = os.readlink(descriptor.path)  # noqa: PTH115  a string: there are thousands
            if "/rollout-" in name:
                yield Path(name)


@contextmanager
def _coordinated(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / COORDINATION, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError(0, "Codex holds this lock", str(folder / COORDINATION))
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
