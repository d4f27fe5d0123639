"""Background tasks. The event loop itself holds only a weak reference to a task.

Invariant: a spawned task is referenced until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

_running: set[asyncio.Task[object]] = set()


def spawn[T](work: Coroutine[object, object, T], name: str) -> asyncio.Task[T]:
    """Start a task for a coroutine, and keep it alive until it has ended."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251  the only allowed call
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
