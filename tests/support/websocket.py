"""A client's WebSocket on a raw socket, as Codex opens it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.client import Client, Response, client
from tests.support.waiting import LONGEST

MASK = b"\x37\xfa\x21\x3d"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HEARTBEAT = "response.heartbeat"
TERMINAL = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame of a client."""
    size, bit = len(payload), 0x80 if masked else 0
    head = bytes(((0x80 if fin else 0) | opcode,))
    if size < 126:
        head += bytes((bit | size,))
    elif size < 1 << 16:
        head += bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((bit | 127,)) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    long_mask = (MASK * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(long_mask, "big")
    return head + MASK + mixed.to_bytes(size, "big")


def create(**fields: object) -> bytes:
    """The text of a frame that asks for a turn."""
    return orjson.dumps({"type": "response.create", "model": "m", "input": [], **fields})


@dataclass
class Closed:
    """The server's close frame, or None for a connection that ended without one."""

    code: int | None
    reason: str = ""


@dataclass
class Socket:
    """One WebSocket behind its handshake."""

    raw: Client
    pongs: list[bytes] = field(default_factory=list)
    frames: int = 0

    async def send(self, text: bytes) -> None:
        await self.raw.send(frame(TEXT, text))

    async def ask(self, **fields: object) -> list[dict[str, Any]]:
        """Send a turn and return its events, without heartbeats, its terminal event last."""
        await self.send(create(**fields))
        return await self.turn()

    async def turn(self) -> list[dict[str, Any]]:
        found = []
        while True:
            event = await self.event()
            if event.get("type") != HEARTBEAT:
                found.append(event)
            if event.get("type") in TERMINAL:
                return found

    async def event(self) -> dict[str, Any]:
        found = await self.receive()
        assert isinstance(found, dict), found
        return found

    async def receive(self) -> dict[str, Any] | Closed:
        """The next event, or how the connection ended."""
        found = await self.text()
        if isinstance(found, Closed):
            return found
        event: dict[str, Any] = orjson.loads(found)
        return event

    async def text(self) -> bytes | Closed:
        """The text of the next frame, which may be no JSON."""
        try:
            async with asyncio.timeout(LONGEST):
                return await self._text()
        except (asyncio.IncompleteReadError, ConnectionError):
            return Closed(None)

    async def _text(self) -> bytes | Closed:
        while True:
            first, size = await self.raw.reader.readexactly(2)
            assert first & 0x70 == 0
            assert size < 128, "a server's frame is not masked"
            if size == 126:
                size = int.from_bytes(await self.raw.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.raw.reader.readexactly(8), "big")
            payload = await self.raw.reader.readexactly(size)
            self.frames += 1
            if first == 0x80 | TEXT:
                return payload
            if first == 0x80 | CLOSE:
                return Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode())
            assert first == 0x80 | PONG
            self.pongs.append(payload)

    async def closed(self) -> Closed:
        """Skip what comes before the end of the connection."""
        while isinstance(found := await self.receive(), dict):
            pass
        return found


def handshake(path: str, *lines: bytes) -> bytes:
    """The head of the request that opens a WebSocket."""
    fixed = (
        b"GET %s HTTP/1.1" % path.encode(),
        b"host: 127.0.0.1",
        b"connection: Upgrade",
        b"upgrade: websocket",
        b"sec-websocket-version: 13",
        b"sec-websocket-key: " + KEY,
        b"sec-websocket-extensions: permessage-deflate; client_max_window_bits",
        b"openai-beta: responses_websockets=2026-02-06",
    )
    return b"\r\n".join((*fixed, *lines, b"", b""))


async def upgrade(raw: Client, *lines: bytes, path: str = "/v1/responses") -> Response:
    await raw.send(handshake(path, *lines))
    return await raw.head()


@asynccontextmanager
async def websocket(port: int, *lines: bytes, path: str = "/v1/responses") -> AsyncIterator[Socket]:
    """Open a WebSocket. `lines` are further headers of the upgrade."""
    async with client(port) as raw:
        answered = await upgrade(raw, *lines, path=path)
        assert answered.status == 101, answered.head
        assert answered.header(b"sec-websocket-accept") == ACCEPT
        yield Socket(raw)
