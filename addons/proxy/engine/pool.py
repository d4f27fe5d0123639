"""Idle upstream connections, for the next turn that needs one.

Codex opens a connection for each request, and mitmproxy closes a client's upstream connections with it: every turn would
pay for a TCP and a TLS handshake. So an idle connection waits here for a while, with its layers: they hold the state of
its TLS. Codex also leaves as soon as it has its terminal event. The upstream may take a moment longer to end the body,
which is read to its end. While a client stays, its layer keeps its own idle connections, under the same keys and limits.

A connection serves again only under an equal `ConnectionKey`. An origin that sent bytes on an idle connection frames its
answers wrongly: the next ones could reach another turn, so none of its connections is kept again in this process. A 408 is no
such case: RFC 9110, 15.5.9 lets a server send it before it closes an idle connection.

The options of mitmproxy that decide whom a connection trusts are part of its key, with the values in force when it was
made.

Never does: keep a connection that is in use, has bytes to read, or goes through a proxy. Invariant: each connection
belongs to one client or to this pool, and is closed when its time is up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, Protocol, cast

from mitmproxy import ctx
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.optmanager import OptManager
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO
from mitmproxy.utils import asyncio_utils

from addons.core.limits import Limits
from addons.proxy.engine.mitmproxy_patches import command_pump, connections
from addons.proxy.engine.upstream.notices import SpokeUnasked

MAX_IDLE_CONNECTIONS = 16
"""Of one process, and of one client that stays."""
READ_BYTES = 64 * 1024
TRUST_NAMES = (
    "ssl_insecure",
    "ssl_verify_upstream_trusted_ca",
    "ssl_verify_upstream_trusted_confdir",
    "client_certs",
    "ciphers_server",
    "tls_version_server_min",
    "tls_version_server_max",
    "tls_ecdh_curve_server",
    "upstream_auth",
)
UNUSED = b"unused"
"""In place of the digest, for a connection on which nothing was sent: it may serve any turn of its origin."""
FRESH_SECONDS = 5.0
"""No server ends a new connection so soon only because nothing was sent on it."""

Address = tuple[str, int]
_ORIGIN_FIELDS = 2
"""How many fields of a key, from the first on, name the origin."""


class ConnectionKey(NamedTuple):
    """Attributes that must be equal for a connection to serve another turn."""

    address: Address
    tls: bool
    via: ServerSpec | None
    trust: tuple[object, ...]
    """The TLS options that were in force when the connection was made."""
    credential: bytes
    """A digest of the secrets that were sent on it."""
    generation: int
    """Raised when the idle connections of the address are dropped. Always 0 for a WebSocket, which is in no pool."""
    by_socket: bool = False
    """Whether it is a WebSocket: it serves no turn by HTTP, and the other way round."""


@dataclass(eq=False)
class GetPooledConnection(GetHttpConnection):
    """The request of a turn for a new connection under a key."""

    key: ConnectionKey = field(kw_only=True)

    # mitmproxy compares by value, and two turns may ask for the same
    __eq__ = object.__eq__
    __hash__ = object.__hash__


@dataclass(slots=True, eq=False)
class IdleConnection:
    """One idle connection with its layers, the outermost first."""

    server: Server
    layers: list[layer.Layer]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: ConnectionKey
    idle_since: float = 0.0
    """Wall clock: the monotonic one may stand still while the machine sleeps."""
    spoke_unasked: bool = False

    @property
    def may_be_stale(self) -> bool:
        """Whether the upstream may have given it up, so that its end says nothing of a request. It keeps a new one."""
        is_new = self.key.credential == UNUSED and time.time() - self.idle_since < FRESH_SECONDS
        return not is_new

    @property
    def is_idle(self) -> bool:
        """Whether its last response has ended."""
        return cast("_UpstreamProtocol", self.layers[-1]).is_idle

    async def drain_response(self) -> bool:
        """Read its last response to the end. Return False if the connection cannot be used after that."""
        while not self.is_idle:
            data = await self.reader.read(READ_BYTES)
            if not data or not self._receive(data):
                return False
        return True

    def _receive(self, data: bytes) -> bool:
        for command in self.layers[0].handle_event(events.DataReceived(self.server, data)):
            if isinstance(command, commands.SendData):
                self.writer.write(command.data)
            elif isinstance(command, SpokeUnasked):
                self.spoke_unasked = True
            elif isinstance(command, commands.ConnectionCommand):
                return False
        return True

    def is_usable(self) -> bool:
        """Return whether nothing was received since it became idle: neither HTTP nor its end.

        What only concerns its TLS is handled: session tickets come a round trip after the handshake.
        """
        if self.reader.at_eof() or self.writer.is_closing() or connections.has_input(self.writer):
            return False
        received = self._take_received()
        return not received or (self._receive(received) and self.is_idle)

    def _take_received(self) -> bytes:
        buffer: bytearray = self.reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001
        received = bytes(buffer)
        buffer.clear()
        return received

    def examine(self) -> None:
        """Learn what was received while it was idle: bytes of HTTP, or only the end of its TLS."""
        if received := self._take_received() + connections.unread(self.writer):
            self._receive(received)

    def close(self) -> None:
        """Close the connection."""
        self.server.state = ConnectionState.CLOSED
        self.writer.close()


class UpstreamPool:
    """The idle connections of one process, and what was learnt about their origins."""

    def __init__(
        self, limits: Callable[[], Limits], trust: Callable[[], tuple[object, ...]] = tuple
    ) -> None:
        self._limits = limits
        self._trust = trust
        self._idle: dict[IdleConnection, asyncio.TimerHandle] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._generations: dict[Address, int] = {}
        self._distrusted: set[Address] = set()
        self.ready_taken: set[Address] = set()
        """Addresses of which a turn took a connection that was made ready. Whoever makes them ready removes them."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._idle)

    # Keys -------------------------------------------------------------------------------------------------

    def key(
        self,
        address: Address,
        *,
        tls: bool,
        via: ServerSpec | None,
        credential: bytes,
        by_socket: bool = False,
    ) -> ConnectionKey:
        """Return the key of a connection that is made or wanted now."""
        generation = 0 if by_socket else self._generations.get(address, 0)
        return ConnectionKey(address, tls, via, self._trust(), credential, generation, by_socket)

    def may_keep(self, key: ConnectionKey) -> bool:
        """Return whether a connection with this key may serve another turn."""
        return (
            not self._closed
            and self._limits().pool_idle_seconds > 0
            and key.address not in self._distrusted
            and key.generation == self._generations.get(key.address, 0)
            and key.trust == self._trust()
        )

    def drop_origin(self, address: Address) -> None:
        """Close the idle connections of an address, and use no connection again that is older than this call."""
        self._generations[address] = self._generations.get(address, 0) + 1
        for idle in [idle for idle in self._idle if idle.key.address == address]:
            self._drop(idle)

    def distrust(self, address: Address) -> None:
        """Keep no connection of this address from now on: it sent bytes without a request."""
        if address not in self._distrusted:
            self._distrusted.add(address)
            self.drop_origin(address)

    # Connections ------------------------------------------------------------------------------------------

    def keep(
        self,
        handler: ConnectionHandler,
        server: Server,
        layers: list[layer.Layer],
        key: ConnectionKey,
    ) -> None:
        """Take over an idle connection of a client that has left, and end the task that reads it."""
        io = handler.transports[server]
        reader, writer, reading = io.reader, io.writer, io.handler
        if not (
            self.may_keep(key)
            and isinstance(reader, asyncio.StreamReader)
            and isinstance(writer, asyncio.StreamWriter)
            and reading
            and command_pump.waits_for_data(reader)
        ):
            return
        command_pump.stop_relaying(reader)
        idle = IdleConnection(server, layers, reader, writer, key)
        io.writer = _DetachedWriter()  # type: ignore[assignment]
        reading.add_done_callback(lambda _: self._begin(idle))
        # now, while it waits: bytes that it still read would be lost unnoticed
        reading.cancel("kept for the next client")

    def checkout(self, key: ConnectionKey) -> IdleConnection | None:
        """Return the newest connection that has this key and is usable, else one that is unused, or None."""
        unused = self.key(key.address, tls=key.tls, via=key.via, credential=UNUSED)
        idle = next(chain(self._usable(key.__eq__), self._usable(unused.__eq__)), None)
        if idle:
            self._idle.pop(idle).cancel()
            if idle.key.credential == UNUSED:
                self.ready_taken.add(idle.key.address)
            connections.watch_reused(idle.writer)
        return idle

    def has_ready(self, key: ConnectionKey) -> bool:
        """Return whether a turn for the origin of this key finds a connection, whatever was sent on it."""
        return any(self._usable(lambda found: found[:_ORIGIN_FIELDS] == key[:_ORIGIN_FIELDS]))

    def _usable(self, is_wanted: Callable[[ConnectionKey], bool]) -> Iterator[IdleConnection]:
        """Yield the usable connections, the newest first. Drop those that are found to be no longer usable."""
        for idle in list(reversed(self._idle)):
            if idle not in self._idle or not is_wanted(idle.key):
                continue
            age = time.time() - idle.idle_since
            if age <= self._limits().pool_idle_seconds and idle.is_usable():
                yield idle
            else:
                self._drop(idle)

    def clear(self) -> None:
        """Close every idle connection."""
        for idle in list(self._idle):
            self._drop(idle)

    def close(self) -> None:
        """Close every idle connection, and refuse to keep more."""
        self._closed = True
        for task in list(self._draining):
            task.cancel()
        self.clear()

    def _begin(self, idle: IdleConnection) -> None:
        # its former task has marked it as closed when it ended
        idle.server.state = ConnectionState.OPEN
        idle.server.timestamp_end = None
        if idle.is_idle:
            self._add(idle)
            return
        task = asyncio_utils.create_task(
            self._drain_response(idle), name="drain a response", keep_ref=True
        )
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _drain_response(self, idle: IdleConnection) -> None:
        ended = False
        try:
            async with asyncio.timeout(self._limits().linger_seconds):
                ended = await idle.drain_response()
        except (OSError, TimeoutError):
            pass
        finally:
            if ended:
                connections.watch_idle(idle.writer)
                self._add(idle)
            else:
                self._close(idle)

    def _add(self, idle: IdleConnection) -> None:
        if not self.may_keep(idle.key) or not idle.is_usable():
            self._close(idle)
            return
        idle.idle_since = time.time()
        loop = asyncio.get_running_loop()
        self._idle[idle] = loop.call_later(self._limits().pool_idle_seconds, self._drop, idle)
        if len(self._idle) > MAX_IDLE_CONNECTIONS:
            self._drop(next(iter(self._idle)))

    def _drop(self, idle: IdleConnection) -> None:
        self._idle.pop(idle).cancel()
        self._close(idle)

    def _close(self, idle: IdleConnection) -> None:
        if idle.is_idle:
            idle.examine()
        idle.close()
        if idle.spoke_unasked:
            self.distrust(idle.key.address)


def attach(handler: ConnectionHandler, idle: IdleConnection) -> None:
    """Let a client's handler use a connection that it has not opened. Close it if that fails."""
    try:
        io = handler.transports[idle.server] = ConnectionIO(reader=idle.reader, writer=idle.writer)
        io.handler = asyncio.get_running_loop().create_task(
            handler.handle_connection(idle.server), name="idle upstream connection"
        )
    except BaseException:
        idle.close()
        raise


class _UpstreamProtocol(Protocol):
    """The innermost layer: `UpstreamHttp1`."""

    @property
    def is_idle(self) -> bool: ...


class _DetachedWriter:
    """Replaces the writer of a connection that was taken over from its handler."""

    def close(self) -> None:
        """Leave the connection open."""

    async def drain(self) -> None:
        """Return at once."""


class OptionValues:
    """Reads options once after each change: mitmproxy copies a value at each look."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._options: OptManager | None = None
        self._values: tuple[object, ...] | None = None

    def __call__(self) -> tuple[object, ...]:
        """Return the values, None for one that this Master does not know. The self-test has no Master."""
        options: OptManager | None = getattr(ctx, "options", None)
        if options is not self._options:
            self._options, self._values = options, None
            if options:
                options.changed.connect(self._changed)
        if self._values is None:
            self._values = tuple(getattr(options, name, None) for name in self._names)
        return self._values

    def _changed(self, updated: set[str]) -> None:  # noqa: ARG002  the name is part of the signal
        self._values = None


class TrustOptions(OptionValues):
    """The options that decide whom an upstream connection trusts, and as whom it presents itself."""

    def __init__(self) -> None:
        super().__init__(*TRUST_NAMES)
