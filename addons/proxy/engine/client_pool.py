"""The upstream connections of one client, and those that are made ready before a client comes.

A client that sends several requests on its connection uses its own idle connections first. They are kept under the same
keys and limits as those of the process-wide pool (`pool.py`), which gets them when the client leaves.

The first turn would wait for the handshakes of TCP and TLS. `ReadyConnections` makes one connection in advance, on which
nothing is sent, and puts it into the pool: the first turn of its origin takes it, whatever its credential is.

Never does: close a connection of a client (it names those to be closed), report a connection that was not made ready: the
turn opens its own and reports what is wrong. Invariant: a connection serves one turn at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Mapping

from mitmproxy import ctx
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.context import Context
from mitmproxy.utils import asyncio_utils

from addons.core.limits import Limits
from addons.core.secrets import Origin
from addons.proxy.engine.http1 import Relay, UpstreamHttp1, install_upstream_parser
from addons.proxy.engine.interfaces import LayerEngine
from addons.proxy.engine.mitmproxy_patches import connections
from addons.proxy.engine.pool import (
    MAX_IDLE_CONNECTIONS,
    UNUSED,
    Address,
    ConnectionKey,
    GetPooledConnection,
    UpstreamPool,
)
from addons.proxy.engine.timers import WakeupTimers
from addons.proxy.engine.upstream.notices import SpokeUnasked, UpstreamNotice
from addons.proxy.engine.upstream.opening import OpeningHandler
from addons.proxy.engine.websocket.upstream_socket import UpstreamSocket, install_socket

log = logging.getLogger(__name__)

SOCKET_CHECK_SECONDS = 60.0
"""How often idle WebSockets are looked after."""


FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds between two connections that are made ready for an upstream that ends them before a turn takes one."""


class ReadyConnections:
    """The connections that are being made ready: at most one for each origin, and none while the pool has one.

    An upstream that accepts none, or ends them at once, is asked for a third one after a pause that doubles each time.
    """

    def __init__(
        self,
        pool: UpstreamPool,
        limits: Callable[[], Limits],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._now = now
        self._made: dict[Address, tuple[float, int]] = {}
        """Address → when the last connection was begun, and how many were in a row that no turn took."""
        self._opening: dict[ConnectionKey, asyncio.Task[None]] = {}

    def open(self, origin: Origin) -> None:
        """Begin to make a connection to this origin ready, unless one is. Needs a running event loop."""
        address, tls = (origin.host, origin.port), origin.scheme == "https"
        key = self._pool.key(address, tls=tls, via=None, credential=UNUSED)
        if key in self._opening or not self._pool.may_keep(key) or self._pool.has_ready(key):
            return
        if self._is_paused(address):
            return
        task = asyncio_utils.create_task(self._open(key), name="ready connection", keep_ref=True)
        self._opening[key] = task
        task.add_done_callback(lambda _: self._opening.pop(key))

    def _is_paused(self, address: Address) -> bool:
        """Return whether the last connections were of no use, so lately that none is made now. Else note this one."""
        now = self._now()
        begun, made = self._made.get(address, (now, 0))
        if address in self._pool.ready_taken or now > begun + 2 * LONGEST_PAUSE:
            made = 0
        self._pool.ready_taken.discard(address)
        # one may have ended because nobody needed it for long
        pause = min(FIRST_PAUSE * 2.0 ** min(made - 2, 10), LONGEST_PAUSE) if made > 1 else 0.0
        if now < begun + pause:
            return True
        self._made[address] = now, made + 1
        return False

    async def close(self) -> None:
        """Abandon what is under way."""
        tasks = list(self._opening.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, key: ConnectionKey) -> None:
        handler, limits = OpeningHandler(key.address, ctx.options, tls=key.tls), self._limits()
        try:
            async with asyncio.timeout(limits.connect_seconds):
                server = await handler.connect()
            if server:
                self._hand_over(handler, server, key)
        except TimeoutError:
            log.debug("no connection to %s:%d was made ready in time", *key.address)
        finally:
            await handler.end()

    def _hand_over(self, handler: OpeningHandler, server: Server, key: ConnectionKey) -> None:
        layers, writer = handler.release(), handler.transports[server].writer
        install_upstream_parser(layers, self._limits().head_bytes, lambda _id, _data: ())
        if isinstance(layers[-1], UpstreamHttp1) and isinstance(writer, asyncio.StreamWriter):
            connections.watch_idle(writer)
            self._pool.keep(handler, server, layers, key)


class ClientPool:
    """The keys of one client's upstream connections, and the idle ones among them."""

    __slots__ = ("_check", "_client", "_connections", "_engine", "_options", "keys", "timers")

    def __init__(
        self,
        engine: LayerEngine,
        context: Context,
        connections: Mapping[Connection, layer.Layer],
    ) -> None:
        self._engine = engine
        self._client = context.client
        self._options = context.options
        self._connections = connections
        self._check: commands.RequestWakeup | None = None
        self.keys: dict[Connection, ConnectionKey] = {}
        """In the order in which the connections were made."""
        self.timers: WakeupTimers | None = None

    def prepare(self, connection: Server, wanted: GetPooledConnection) -> None:
        """Note a new connection. It speaks HTTP/1.1 and names its own host, whatever the client's TLS said."""
        if self._client.alpn_offers:
            connection.alpn_offers = (b"http/1.1",)
        if connection.via == wanted.via and connection not in self.keys:
            # not the connection to a proxy, which carries the one to the upstream
            self.keys[connection] = wanted.key
            if wanted.tls:
                connection.sni = wanted.address[0]

    def find(self, key: ConnectionKey) -> Server | None:
        """Return an idle connection with this key that nothing was received on, the newest first."""
        if key.by_socket:
            return self._find_socket(key)
        if not (idle := self._idle()) or not self._engine.pool.may_keep(key):
            return None
        oldest = time.time() - self._engine.limits.pool_idle_seconds
        for server, since in reversed(idle):
            usable = since >= oldest and self.keys[server] == key
            if usable and self._engine.reuse(self._client, server):
                return server
        return None

    def _find_socket(self, key: ConnectionKey) -> Server | None:
        for server, socket in reversed(self._sockets()):
            usable = socket.is_idle and not socket.is_aged and self.keys[server] == key
            if usable and self._engine.reuse(self._client, server):
                return server
        return None

    def install_parser(self, connection: Connection, relay: Relay) -> None:
        """Let a connection on which nothing was sent read HTTP/1, or become a WebSocket."""
        layers, limits = self._connections[connection].context.layers, self._engine.limits
        install_upstream_parser(layers, limits.head_bytes, relay)
        key = self.keys.get(connection)
        if key and key.by_socket:
            install_socket(layers, limits, relay)

    def ends_at(self, notice: UpstreamNotice) -> bool:
        """Return whether the connection that a notice is about has to be closed, or keep it for the next turn."""
        connection, pool = notice.connection, self._engine.pool
        if (key := self.keys.get(connection)) is None:
            return False
        if isinstance(notice, SpokeUnasked):
            pool.distrust(key.address)
            return True
        if key.by_socket:
            self._engine.watch_idle(self._client, connection)
            self._check_after(self._socket_check_seconds)
            return False
        may_exceed = len(self.keys) > MAX_IDLE_CONNECTIONS
        if not pool.may_keep(key) or (may_exceed and len(self._idle()) > MAX_IDLE_CONNECTIONS):
            return True
        self._engine.watch_idle(self._client, connection)
        self._check_after(self._engine.limits.pool_idle_seconds)
        return False

    def unused(
        self, depth: int, streams: Container[int]
    ) -> list[tuple[Server, list[layer.Layer], ConnectionKey]]:
        """Return the connections that another client can use, each with its layers below this depth, and its key.

        No turn waits for them. One whose turn was abandoned is closed already.
        """
        tops = list(self._connections.values())
        found = []
        for server, key in self.keys.items():
            if not isinstance(server, Server) or not server.connected:
                continue
            top = self._connections[server]
            protocol = (layers := top.context.layers[depth:]) and layers[-1]
            # a proxied connection is listed twice: the connection to the proxy, and the one through it
            if tops.count(top) == 1 and isinstance(protocol, UpstreamHttp1):
                abandoned = protocol.is_reading_body and protocol.stream_id not in streams
                if protocol.is_idle or abandoned:
                    found.append((server, layers, key))
        return found

    def is_check(self, wakeup: commands.Command) -> bool:
        """Return whether a wake-up is the one that this class has asked for."""
        return wakeup is self._check

    def expired(self) -> list[Server]:
        """Return what was idle for too long, and look again when the next one can be.

        While a WebSocket is idle, the look itself keeps mitmproxy from ending the client's connection for silence.
        """
        self._check = None
        limit, now = self._engine.limits.pool_idle_seconds, time.time()
        ages = [(server, now - since) for server, since in self._idle()]
        if left := [age for _, age in ages if age < limit]:
            self._check_after(limit - max(left))
        sockets = [each for each in self._sockets() if each[1].is_idle]
        kept = sockets[-1:] if sockets and not sockets[-1][1].is_aged else []
        if kept:
            self._check_after(self._socket_check_seconds)
        unused = [server for server, _ in sockets[: len(sockets) - len(kept)]]
        return [*unused, *(server for server, age in ages if age >= limit)]

    def _check_after(self, seconds: float) -> None:
        if self._check is None and self.timers:
            self._check = commands.RequestWakeup(seconds)
            self.timers.set(self._check)

    @property
    def _socket_check_seconds(self) -> float:
        # mitmproxy 12.2.0 has no such option, and ten minutes
        timeout = getattr(self._options, "tcp_timeout", None)
        return SOCKET_CHECK_SECONDS if timeout is None else min(SOCKET_CHECK_SECONDS, timeout / 3)

    def _sockets(self) -> list[tuple[Server, UpstreamSocket]]:
        """Return the WebSockets, in the order in which they were made."""
        found = []
        for connection, key in self.keys.items():
            if key.by_socket and isinstance(connection, Server) and connection.connected:
                protocol = self._connections[connection].context.layers[-1]
                if isinstance(protocol, UpstreamSocket):
                    found.append((connection, protocol))
        return found

    def _idle(self) -> list[tuple[Server, float]]:
        """Return the connections that serve no turn, and since when."""
        found = []
        for connection in self.keys:
            protocol = self._connections[connection].context.layers[-1]
            if (
                isinstance(connection, Server)
                and connection.connected
                and isinstance(protocol, UpstreamHttp1)
                and protocol.is_idle
            ):
                found.append((connection, protocol.idle_since))
        return found
