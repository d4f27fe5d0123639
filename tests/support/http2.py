"""An HTTP/2 client over TLS: sends requests on one connection, and keeps the answers by stream id."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import h2.config
import h2.connection
import h2.events

from tests.support.waiting import LONGEST, settle, until

BODY = b'{"model":"m"}'


@dataclass
class H2Client:
    """One HTTP/2 connection; answers are kept by stream id."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    h2: h2.connection.H2Connection
    authority: str
    status: dict[int, int] = field(default_factory=dict)
    body: dict[int, bytes] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    reset: set[int] = field(default_factory=set)
    codes: dict[int, int] = field(default_factory=dict)
    """Stream id → the error code of its reset."""

    async def post(
        self,
        path: str,
        *more: tuple[str, str],
        body: bytes = BODY,
        parts: Sequence[bytes] | None = None,
    ) -> int:
        """Send a request on a new stream, its body in these parts; return the stream's id."""
        parts = (body,) if parts is None else parts
        stream = self.h2.get_next_available_stream_id()
        names = (
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", self.authority),
            (":path", path),
        )
        fields = [*names, ("authorization", "Bearer of-the-client"), *more]
        self.h2.send_headers(stream, fields, end_stream=not parts)
        for left, part in zip(reversed(range(len(parts))), parts, strict=True):
            self.h2.send_data(stream, part, end_stream=not left)
        await self.flush()
        return int(stream)

    def send_as_is(self) -> None:
        """Check and correct no field from here on."""
        self.h2.config.validate_outbound_headers = False
        self.h2.config.normalize_outbound_headers = False

    async def leave(self, stream: int) -> None:
        """Reset a stream; the others go on."""
        self.h2.reset_stream(stream)
        await self.flush()

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def read(self) -> None:
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                self.take(event)
            await self.flush()

    def take(self, event: object) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            self.status[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            self.body[event.stream_id] = self.body.get(event.stream_id, b"") + event.data
            self.acknowledge(event.stream_id, event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset.add(event.stream_id)
            self.codes[event.stream_id] = event.error_code

    def acknowledge(self, stream: int, length: int) -> None:
        """Open the windows of the connection and the stream by as many bytes as were received."""
        self.h2.acknowledge_received_data(length, stream)

    async def end_of(self, stream: int) -> bytes:
        await until(lambda: stream in self.ended)
        return self.body[stream]


@cache
def _unverified() -> ssl.SSLContext:
    """Return a context without the certificates of the system: they are not needed, and take 30 ms to read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


async def connect(
    port: int, server_name: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect with TLS and offer only HTTP/2. The certificate is not checked."""
    async with asyncio.timeout(LONGEST):
        return await asyncio.open_connection(
            "127.0.0.1", port, ssl=_unverified(), server_hostname=server_name
        )


@asynccontextmanager
async def h2_client(
    port: int, authority: str = "x", server_name: str | None = None
) -> AsyncIterator[H2Client]:
    reader, writer = await connect(port, server_name)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    c = H2Client(reader, writer, connection, authority)
    await c.flush()
    reading = asyncio.ensure_future(c.read())
    try:
        yield c
    finally:
        reading.cancel()
        writer.close()
        await settle()
