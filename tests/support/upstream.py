"""A scripted upstream on loopback: full control of the bytes on the wire, every request kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.waiting import settle


@dataclass
class Received:
    """One request as it arrived."""

    head: bytes
    body: bytes = b""

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    def header(self, name: bytes) -> bytes | None:
        for field_line in self.head.split(b"\r\n")[1:]:
            key, _, value = field_line.partition(b":")
            if key.strip().lower() == name:
                return value.strip()
        return None


@dataclass
class Exchange:
    """What a script sees: the request, and the means to answer it."""

    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def head(self, *lines: bytes, status: bytes = b"200 OK") -> None:
        await self.send(
            b"HTTP/1.1 " + status + b"\r\n", *(line + b"\r\n" for line in lines), b"\r\n"
        )

    async def sse_head(self, *lines: bytes) -> None:
        await self.head(b"content-type: text/event-stream", b"transfer-encoding: chunked", *lines)

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def whole(self, body: bytes, *lines: bytes, status: bytes = b"200 OK") -> None:
        await self.head(b"content-length: %d" % len(body), *lines, status=status)
        await self.send(body)

    def cut(self) -> None:
        """Reset the connection."""
        self.writer.transport.abort()

    async def closed(self) -> None:
        """Wait until the other side is gone."""
        while await self.reader.read(65536):
            pass


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Upstream:
    """The running server."""

    port: int = 0
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    """One a request, in order; the last one repeats."""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has ended."""
    failures: list[BaseException] = field(default_factory=list)

    def next_script(self) -> Script:
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None:
                self.requests.append(request)
                await self.next_script()(Exchange(request, reader, writer))
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001  kept for the test to see
            self.failures.append(error)
        finally:
            self.gone.set()
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    received = Received(head)
    if length := received.header(b"content-length"):
        received.body = await reader.readexactly(int(length))
    return received


@asynccontextmanager
async def upstream(
    *scripts: Script, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Upstream]:
    """Serve the scripts on a free port of loopback."""
    fake = Upstream(scripts=list(scripts))
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await fake.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", port, ssl=tls)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await settle()
    assert not fake.failures, fake.failures
