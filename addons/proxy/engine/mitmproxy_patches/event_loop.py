"""uvloop under mitmproxy, which sets asyncio's eager task factory. uvloop 0.22 passes it an argument that it does not accept.

Never does: change when a task runs. Invariant: `get_task_factory` returns what was set.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, cast

import uvloop


class EagerLoop(uvloop.Loop):
    """A uvloop that takes `asyncio.eager_task_factory` on every Python."""

    def set_task_factory(self, factory: Any) -> None:
        """Set the factory; the eager one in a form that uvloop can call."""
        super().set_task_factory(eager_task if factory is asyncio.eager_task_factory else factory)

    def get_task_factory(self) -> Any:
        """The factory as it was set: anyio knows asyncio's own eager one, and its task groups fail under another."""
        factory = super().get_task_factory()
        return asyncio.eager_task_factory if factory is eager_task else factory


def eager_task(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    *,
    eager_start: bool | None = None,  # noqa: ARG001  what uvloop adds and Python 3.13 does not know
    **options: Any,
) -> asyncio.Task[Any]:
    """Return a task that has run up to its first wait."""
    return asyncio.eager_task_factory(loop, cast("Coroutine[Any, Any, Any]", coro), **options)
