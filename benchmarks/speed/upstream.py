"""The upstream of the benchmark. It answers every protocol with a stream of marked deltas, and counts requests.

Run as `python -m benchmarks.speed.upstream PORT [PEM]`; it prints a line when it listens. `GET
/control?deltas=N&pause=S&batch=N` sets how the following turns are answered, and returns and resets the counts.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import cast
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop

from benchmarks.speed.protocols import Protocol, Script, script

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
ENDS: tuple[tuple[str, Protocol], ...] = (
    ("/chat/completions", "chat"),
    ("/messages", "messages"),
    ("/responses", "responses"),
)


class Settings:
    """How turns are answered, and the counts since the last control request."""

    deltas = 500
    pause = 0.0
    batch = 1
    """Deltas in one write."""
    connections = 0
    requests = 0

    def control(self, query: str) -> bytes:
        """Apply a control request. Return the counts and reset them."""
        values = parse_qs(query)
        self.deltas = int(values.get("deltas", [self.deltas])[0])
        self.pause = float(values.get("pause", [self.pause])[0])
        self.batch = int(float(values.get("batch", [self.batch])[0]))
        counts = orjson.dumps({"connections": self.connections, "requests": self.requests})
        self.connections = self.requests = 0
        return counts


SETTINGS = Settings()


class Connection(asyncio.Protocol):
    """One client connection with requests one after the other."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""
        self._missing = 0
        self._path = ""
        self._is_counted = False
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        # The transports of uvloop are not subclasses.
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's shape
        """Cancel the answer when the client disconnects."""
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Process one read."""
        if self._missing:
            self._missing -= len(data)
            if self._missing <= 0:
                self._missing = 0
                self._answer()
            return
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head, rest = self._buffer[:end], self._buffer[end + 4 :]
        self._buffer = b""
        self._path = head.split(b" ", 2)[1].decode()
        self._missing = _length(head) - len(rest)
        if self._missing <= 0:
            self._missing = 0
            self._answer()

    def _answer(self) -> None:
        url = urlsplit(self._path)
        if url.path == "/control":
            self._whole(SETTINGS.control(url.query))
            return
        if not self._is_counted:
            self._is_counted = True
            SETTINGS.connections += 1
        protocol = next((name for end, name in ENDS if url.path.endswith(end)), None)
        if protocol is None:
            self._whole(b'{"models":[]}')
            return
        SETTINGS.requests += 1
        turn = script(protocol, SETTINGS.deltas)
        self._task = asyncio.ensure_future(self._stream(turn, SETTINGS.deltas))

    def _whole(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)

    async def _stream(self, turn: Script, deltas: int) -> None:
        pause, batch = SETTINGS.pause, SETTINGS.batch
        self.transport.write(HEAD + _chunk(turn.opening))
        for first in range(0, deltas, batch):
            # One write for each event, streams in turn, as from a busy provider.
            await asyncio.sleep(pause)
            numbers = range(first, min(first + batch, deltas))
            self.transport.write(b"".join(_chunk(turn.delta(number)) for number in numbers))
        self.transport.write(_chunk(turn.closing) + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(port: int, certificate: list[str]) -> None:
    """Serve until the process is killed."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, ssl=context, backlog=1024)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
