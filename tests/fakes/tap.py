"""A recording TCP proxy between a client and a server.

It forwards requests and responses unchanged. Invariant: the recorded requests are those that were forwarded.
"""

from __future__ import annotations

import asyncio

from tests.fakes.http_messages import Reader, Request, read_request
from tests.fakes.http_server import LoopbackServer


class Tap(LoopbackServer):
    """Forwards to a port of 127.0.0.1. Requests must have a content-length, as those of Codex do."""

    def __init__(self, target_port: int) -> None:
        super().__init__()
        self._target = target_port
        self.requests: list[Request] = []

    async def serve(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        """Forward one client connection to one connection of the target."""
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target)
        back = asyncio.ensure_future(_pump(target_reader, writer))
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                target_writer.write(request.head + b"\r\n\r\n" + request.body)
                await target_writer.drain()
        finally:
            back.cancel()
            target_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()
