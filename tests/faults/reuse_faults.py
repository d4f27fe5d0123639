"""What can happen to a request on a reused connection: rows of the fault table that `test_reuse.py` tests on each route."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from addons.proxy.engine.mitmproxy_patches.connections import LONGEST_ROUND_TRIP
from tests.support.upstream import Exchange, Script

WORK_SECONDS = LONGEST_ROUND_TRIP + 0.2
"""Longer than any round trip that the engine takes for one."""


@dataclass(frozen=True)
class ReuseFault:
    """What the upstream does with the second request of a connection, and what becomes of the turn."""

    name: str
    what: str
    script: Script
    is_repeated: bool
    """Whether the request is sent again, on a new connection, and the turn gets its whole answer."""

    def __str__(self) -> str:
        return self.name

    @property
    def requests(self) -> int:
        """The number of upstream requests of the turn."""
        return 1 + self.is_repeated


def _ends(*parts: bytes, after: float = 0.0, by_reset: bool = False) -> Script:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(after)
        if parts:
            await exchange.send(*parts)
        if by_reset:
            found = exchange.writer.get_extra_info("socket")
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            exchange.cut()
        else:
            exchange.writer.close()

    return script


_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
REUSE_FAULTS = (
    ReuseFault("reuse-close", "closes it at once", _ends(), is_repeated=True),
    ReuseFault("reuse-reset", "resets it at once", _ends(by_reset=True), is_repeated=True),
    ReuseFault("reuse-408", "sends a 408 at once and closes it", _ends(_TIMEOUT), is_repeated=True),
    ReuseFault(
        "reuse-work-close",
        "works on the request, then closes it",
        _ends(after=WORK_SECONDS),
        is_repeated=False,
    ),
    ReuseFault(
        "reuse-work-reset",
        "works on the request, then resets it",
        _ends(after=WORK_SECONDS, by_reset=True),
        is_repeated=False,
    ),
    ReuseFault(
        "reuse-continue",
        "acknowledges the request with a 100, then closes it",
        _ends(b"HTTP/1.1 100 Continue\r\n\r\n"),
        is_repeated=False,
    ),
    ReuseFault(
        "reuse-head",
        "begins a response head, then closes it",
        _ends(b"HTTP/1.1 200 O"),
        is_repeated=False,
    ),
)
