"""Tasks that nobody waits for: the event loop itself keeps only a weak reference to a task.

Invariant: a task that was spawned here lives until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

_running: set[asyncio.Task[object]] = set()


def spawn[T](work: Coroutine[object, object, T], name: str) -> asyncio.Task[T]:
    """Begin this work."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251  this is the place for it
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
