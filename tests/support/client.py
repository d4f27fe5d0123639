"""A client on a raw socket: sends given bytes, reads heads, chunks and events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.waiting import LONGEST, settle


@dataclass
class Response:
    """One response, read to its end (or to where it broke off)."""

    head: bytes
    body: bytes = b""
    complete: bool = False
    chunks: list[bytes] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: bytes) -> bytes | None:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip()
        return None


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def post(
        self, path: str, body: bytes, *lines: bytes, version: bytes = b"HTTP/1.1"
    ) -> None:
        await self.send(
            b"POST %s %s\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            % (path.encode(), version)
            + b"".join(line + b"\r\n" for line in lines)
            + b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )

    async def get(self, path: str, *lines: bytes) -> None:
        extra = b"".join(line + b"\r\n" for line in lines)
        await self.send(b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%s\r\n" % (path.encode(), extra))

    async def head(self) -> Response:
        async with asyncio.timeout(LONGEST):
            return Response(await self.reader.readuntil(b"\r\n\r\n"))

    async def chunk(self) -> bytes:
        """One chunk of a chunked body; empty at its end."""
        async with asyncio.timeout(LONGEST):
            size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
            data = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
            return data

    async def response(self) -> Response:
        """Read a response to its end; a cut one is marked as not complete."""
        return await self.rest(await self.head())

    async def rest(self, response: Response) -> Response:
        """Read the body of a response whose head was read."""
        try:
            async with asyncio.timeout(LONGEST):
                await self._body(response)
        except (asyncio.IncompleteReadError, ConnectionError):
            return response
        response.complete = True
        return response

    async def _body(self, response: Response) -> None:
        if length := response.header(b"content-length"):
            response.body = await self.reader.readexactly(int(length))
        elif response.header(b"transfer-encoding") == b"chunked":
            try:
                while data := await self.chunk():
                    response.chunks.append(data)
            finally:
                response.body = b"".join(response.chunks)
        elif response.status not in (204, 304):
            response.body = await self.reader.read()

    async def eof(self) -> bytes:
        """What still comes before the connection ends."""
        try:
            async with asyncio.timeout(LONGEST):
                return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await settle()
