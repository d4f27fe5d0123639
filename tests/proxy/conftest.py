"""Every test here gives all its sockets back: what one leaves open would fail another, at some later collection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.waiting import until


@pytest.fixture(autouse=True)
async def no_socket_is_left() -> AsyncIterator[None]:
    """Wait until the loop watches no more sockets than before. A server that nobody stopped is a TimeoutError."""
    loop: Any = asyncio.get_running_loop()
    before = len(loop._selector.get_map())
    yield
    await until(lambda: len(loop._selector.get_map()) <= before)
