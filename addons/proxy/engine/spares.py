"""Upstream connections that outlive their client's, for the next client to go on with.

Codex opens a connection for each request, and mitmproxy ends a client's upstream connections with it: every turn would
pay for a TCP and a TLS handshake. So one that is idle waits here for a while. The layers that speak over it move along:
they hold the state of its TLS. Codex also leaves as soon as it has its terminal event; the upstream may take a moment
longer to end the body, and is heard out.

Never does: keep one that is in use, has bytes to read, or stands behind a proxy. Invariant: each is in one place, with
a client or here, and is closed when its time is up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.utils import asyncio_utils

from addons.core.limits import Limits

MOST_SPARES = 16
READ_BYTES = 64 * 1024


@dataclass(slots=True, eq=False)
class Spare:
    """One idle connection, with the layers that speak over it: the outermost first."""

    server: Server
    layers: list[layer.Layer]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def is_idle(self) -> bool:
        """Whether its last answer has ended."""
        return cast("_Answers", self.layers[-1]).is_idle

    async def ends(self) -> bool:
        """Wait for the end of its answer. False when the connection is of no use after that."""
        while not self.is_idle:
            data = await self.reader.read(READ_BYTES)
            if not data or not self._hear(data):
                return False
        return True

    def _hear(self, data: bytes) -> bool:
        for command in self.layers[0].handle_event(events.DataReceived(self.server, data)):
            if isinstance(command, commands.SendData):
                self.writer.write(command.data)
            elif isinstance(command, commands.ConnectionCommand):
                return False
        return True

    @property
    def usable(self) -> bool:
        """Whether nothing came since it became idle, neither its end nor what nobody asked for."""
        return not (self.reader._buffer or self.reader.at_eof() or self.writer.is_closing())  # type: ignore[attr-defined]  # noqa: SLF001

    def close(self) -> None:
        """Hang up."""
        self.server.state = ConnectionState.CLOSED
        self.writer.close()


class Spares:
    """The idle connections of one process."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._waiting: dict[Spare, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, handler: ConnectionHandler, server: Server, layers: list[layer.Layer]) -> None:
        """Take over an idle connection of a client that has left, and end the task that read it."""
        io = handler.transports[server]
        reader, writer, reading = io.reader, io.writer, io.handler
        if not (
            isinstance(reader, asyncio.StreamReader)
            and isinstance(writer, asyncio.StreamWriter)
            and reading
            and _waits_for_data(reader)
        ):
            return
        spare = Spare(server, layers, reader, writer)
        io.writer = _NotYours()  # type: ignore[assignment]
        reading.add_done_callback(lambda _: self._begin(spare))
        # now, while it waits: what it still read would be missing here, and never be noticed
        reading.cancel("kept for the next client")

    def take(self, wanted: GetHttpConnection) -> Spare | None:
        """Give the newest connection that will do, if any."""
        for spare in reversed(self._waiting):
            if wanted.connection_spec_matches(spare.server):
                self._waiting.pop(spare).cancel()
                if spare.usable:
                    return spare
                spare.close()
                return self.take(wanted)
        return None

    def clear(self) -> None:
        """Close all that wait."""
        for spare in list(self._waiting):
            self._drop(spare)

    def close(self) -> None:
        """Close all that wait, and all that still come."""
        self._closed = True
        for task in list(self._ending):
            task.cancel()
        self.clear()

    def _begin(self, spare: Spare) -> None:
        # its former task has told that it ended, as a connection does that goes down
        spare.server.state = ConnectionState.OPEN
        spare.server.timestamp_end = None
        if spare.is_idle:
            self._shelve(spare)
            return
        task = asyncio_utils.create_task(
            self._hear_out(spare), name="end of an answer", keep_ref=True
        )
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _hear_out(self, spare: Spare) -> None:
        ended = False
        try:
            async with asyncio.timeout(self._limits().linger_seconds):
                ended = await spare.ends()
        except (OSError, TimeoutError):
            pass
        finally:
            if ended:
                self._shelve(spare)
            else:
                spare.close()

    def _shelve(self, spare: Spare) -> None:
        if self._closed or not spare.usable:
            spare.close()
            return
        loop = asyncio.get_running_loop()
        self._waiting[spare] = loop.call_later(self._limits().spare_seconds, self._drop, spare)
        if len(self._waiting) > MOST_SPARES:
            self._drop(next(iter(self._waiting)))

    def _drop(self, spare: Spare) -> None:
        self._waiting.pop(spare).cancel()
        spare.close()


def adopt(handler: ConnectionHandler, spare: Spare) -> None:
    """Let a client's handler carry a connection that it has not opened."""
    io = handler.transports[spare.server] = ConnectionIO(reader=spare.reader, writer=spare.writer)
    io.handler = asyncio_utils.create_task(
        handler.handle_connection(spare.server), name="spare upstream connection", keep_ref=True
    )


class _Answers(Protocol):
    """What is asked of the innermost layer: `UpstreamHttp1`."""

    @property
    def is_idle(self) -> bool: ...


class _NotYours:
    """What a handler finds in place of the writer of a connection that was taken over."""

    def close(self) -> None:
        """Leave it open."""

    async def drain(self) -> None:
        """Wait for nothing."""


def _waits_for_data(reader: asyncio.StreamReader) -> bool:
    """Whether its task is between two reads, and no byte is under way to the layer."""
    waiter = reader._waiter  # type: ignore[attr-defined]  # noqa: SLF001
    return waiter is not None and not waiter.done()
