"""Waiting for something to become true, with a deadline, instead of sleeping for as long as it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LONGEST = 20.0
"""For a loaded machine with two cores: only a test that fails waits for so long."""


async def until(condition: Callable[[], object], seconds: float = LONGEST) -> None:
    """Return as soon as the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what is watched has no event
            await asyncio.sleep(0.001)


async def settle() -> None:
    """Let closed transports give their sockets back, which takes the loop a few rounds."""
    for _ in range(5):
        await asyncio.sleep(0)


async def within(event: asyncio.Event, seconds: float = LONGEST) -> None:
    """Wait for an event. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        await event.wait()
