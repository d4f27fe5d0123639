"""Larger reads from a client: a body of megabytes comes in a quarter of the events.

mitmproxy reads 64 KB at a time. uvloop brings 250 KB with one system call, so that the stream would be paused, emptied
in four events and resumed for each of them.
"""

from __future__ import annotations

import asyncio

from mitmproxy.connection import Connection
from mitmproxy.proxy.server import ConnectionHandler

READ_BYTES = 256 * 1024


def read_widely(handler: ConnectionHandler, connection: Connection) -> None:
    """Let each read of this connection give all that is there."""
    io = handler.transports.get(connection)
    if io and isinstance(reader := io.reader, asyncio.StreamReader):
        narrow = reader.read

        async def read(_: int = -1) -> bytes:
            return await narrow(READ_BYTES)

        # twice this is held before the transport is paused
        reader.__dict__.update(read=read, _limit=READ_BYTES)
