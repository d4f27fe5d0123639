"""The clients of the soak run: a connection for each turn over HTTP/1, or one for all turns over HTTP/2."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Protocol

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from benchmarks.soak.turns import Turn
from tests.faults.shim import CODEX, SDK
from tests.support.client import Client, Response
from tests.support.http2 import H2Client, connect

PATH = "/v1/responses"
EARLY_SECONDS, SLOW_SECONDS = 0.05, 0.5
SIDE_BY_SIDE = 4
"""Streams at once on every second HTTP/2 connection."""
WINDOW = 1024
"""Bytes that a stream may have unread: less than an answer has, so that a slow client makes the shim wait."""


def client_of(turn: Turn) -> bytes:
    """Return the field that names the client."""
    return CODEX if turn.number % 2 else SDK


class SoakClient(Protocol):
    """Sends turns, one or more at once."""

    protocol: str
    closed_by_shim: list[str]
    """Why the shim closed a connection that is kept for many turns."""

    async def ask(self, turn: Turn, body: bytes) -> Response | None:
        """Send a turn and read its answer. None if the client left, as the turn's fault says.

        Raises OSError and IncompleteReadError when there is no answer.
        """

    def close(self) -> None:
        """Close what is open."""


class OneEach:
    """HTTP/1: every turn has a connection of its own."""

    protocol = "HTTP/1"

    def __init__(self, port: int) -> None:
        self._port = port
        self.closed_by_shim: list[str] = []

    async def ask(self, turn: Turn, body: bytes) -> Response | None:
        """Send a turn and read its answer. A client that leaves aborts its connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 22)
        c = Client(reader, writer)
        try:
            await c.post(PATH, body, client_of(turn))
            if turn.fault == "early":
                await asyncio.sleep(EARLY_SECONDS)
                return None
            begun = await c.head()
            if turn.fault == "leave":
                return None
            if turn.fault == "slow":
                await asyncio.sleep(SLOW_SECONDS)
            return await c.rest(begun)
        finally:
            c.abort()

    def close(self) -> None:
        """Do nothing: no connection outlives its turn."""


@dataclass
class Watched(H2Client):
    """An HTTP/2 connection that reports the begin and the end of its streams, and its own end."""

    heads: dict[int, bytes] = field(default_factory=dict)
    begun: dict[int, asyncio.Event] = field(default_factory=dict)
    over: dict[int, asyncio.Event] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    """Stream → received bytes for which its window was not opened again."""
    closed: str = ""
    """Why no more turns can be sent, empty while they can."""

    async def read_to_the_end(self) -> None:
        """Read until the connection ends."""
        try:
            await self.read()
            self._end("it was closed")
        except (OSError, h2.exceptions.ProtocolError) as error:
            self._end(f"{type(error).__name__}: {error}")

    def _end(self, why: str) -> None:
        self.closed = self.closed or why
        for event in (*self.begun.values(), *self.over.values()):
            event.set()

    def watch(self, stream: int) -> None:
        """Prepare for the answer of a stream."""
        self.begun[stream], self.over[stream] = asyncio.Event(), asyncio.Event()
        self.body[stream] = b""
        if self.closed:
            self._end(self.closed)

    def take(self, event: object) -> None:
        """Keep what a stream received, and report it."""
        super().take(event)
        if isinstance(event, h2.events.ConnectionTerminated):
            self._end(f"GOAWAY {event.error_code!r}")
        elif isinstance(event, h2.events.ResponseReceived):
            lines = [name + b": " + value for name, value in event.headers if name[:1] != b":"]
            status = b"HTTP/2 %d " % self.status[event.stream_id]
            self.heads[event.stream_id] = b"\r\n".join((status, *lines, b"", b""))
            self._set(self.begun, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self._set(self.begun, event.stream_id)
            self._set(self.over, event.stream_id)

    @staticmethod
    def _set(events: dict[int, asyncio.Event], stream: int) -> None:
        if stream in events:
            events[stream].set()

    def acknowledge(self, stream: int, length: int) -> None:
        """Open the windows again, for a held stream only that of the connection."""
        if stream not in self.held:
            super().acknowledge(stream, length)
        elif length:
            self.held[stream] += length
            self.h2.increment_flow_control_window(length)

    async def release(self, stream: int) -> None:
        """Open the window of a held stream again."""
        unread = self.held.pop(stream)
        if unread and stream not in self.ended | self.reset and not self.closed:
            self.h2.increment_flow_control_window(unread, stream)
            await self.flush()

    async def forget(self, stream: int) -> None:
        """Forget a stream. Reset it if it has not ended."""
        if stream not in self.ended | self.reset and not self.closed:
            with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
                await self.leave(stream)
        for kept in (self.status, self.body, self.heads, self.begun, self.over, self.held):
            kept.pop(stream, None)
        self.ended.discard(stream)
        self.reset.discard(stream)

    def response(self, stream: int) -> Response:
        """Return the answer of a stream that is over. Raises ConnectionError when there is none."""
        if stream not in self.heads:
            raise ConnectionError(self.closed or "the stream was reset before its answer")
        return Response(self.heads[stream], self.body[stream], stream in self.ended)


class Kept:
    """HTTP/2: one connection for all turns. It is opened again only if the shim closed it."""

    protocol = "HTTP/2"

    def __init__(self, port: int) -> None:
        self._port = port
        self._opening = asyncio.Lock()
        self._connection: Watched | None = None
        self._reading: asyncio.Task[None] | None = None
        self.closed_by_shim: list[str] = []

    async def _opened(self) -> Watched:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self.close()
                self._connection = await self._open()
                reading = self._connection.read_to_the_end()
                self._reading = asyncio.ensure_future(reading)
            return self._connection

    async def _open(self) -> Watched:
        reader, writer = await connect(self._port)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.local_settings = h2.settings.Settings(
            initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW}
        )
        connection.initiate_connection()
        c = Watched(reader, writer, connection, f"127.0.0.1:{self._port}")
        await c.flush()
        return c

    async def ask(self, turn: Turn, body: bytes) -> Response | None:
        """Send a turn on a new stream and read its answer. A client that leaves resets its stream."""
        c = await self._opened()
        name, _, value = client_of(turn).decode().partition(": ")
        stream = c.h2.get_next_available_stream_id()
        c.watch(stream)
        if turn.fault == "slow":
            c.held[stream] = 0
        try:
            await c.post(PATH, ("content-type", "application/json"), (name, value), body=body)
            if turn.fault == "early":
                await asyncio.sleep(EARLY_SECONDS)
                return None
            await c.begun[stream].wait()
            if turn.fault == "leave":
                return None
            if turn.fault == "slow":
                await asyncio.sleep(SLOW_SECONDS)
                await c.release(stream)
            await c.over[stream].wait()
            return c.response(stream)
        except h2.exceptions.ProtocolError as error:
            raise ConnectionError(error) from error
        finally:
            await c.forget(stream)

    def close(self) -> None:
        """Close the connection, and note why if it was closed before."""
        if self._connection is None or self._reading is None:
            return
        if self._connection.closed:
            self.closed_by_shim.append(self._connection.closed)
        self._reading.cancel()
        self._connection.writer.close()
        self._connection = None


def clients_of(port: int, at_once: int, share: float) -> list[tuple[SoakClient, int]]:
    """Return clients with the number of turns that each sends at once, `at_once` in total.

    `share` of the turns at once are those of HTTP/2 clients: 4 on one connection, 1 on the next.
    """
    left = round(at_once * share)
    clients: list[tuple[SoakClient, int]] = [(OneEach(port), at_once - left)]
    while left:
        lanes = min(left, SIDE_BY_SIDE if len(clients) % 2 else 1)
        clients.append((Kept(port), lanes))
        left -= lanes
    return clients
