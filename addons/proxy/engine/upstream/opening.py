"""Opens an upstream connection that has no client: TCP and TLS, and no byte of HTTP.

The layers are those that mitmproxy's HTTP layer makes for a client, and the hooks run as for one: mitmproxy's own addons
choose the certificates and the options of TLS in them.

Never does: go through an outbound proxy, log more than for debugging. Invariant: what was not released is closed by `end`.
"""

from __future__ import annotations

import asyncio
import logging

from mitmproxy import ctx
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpClient, RegisterHttpConnection
from mitmproxy.proxy.layers.tls import ServerTLSLayer
from mitmproxy.proxy.server import ConnectionHandler

from addons.proxy.engine.mitmproxy_patches.connections import fork

log = logging.getLogger(__name__)


class OpeningHandler(ConnectionHandler):
    """Carries out the commands of one connection that has no client."""

    layer: _Opening

    def __init__(self, address: tuple[str, int], options: Options, *, tls: bool) -> None:
        client = Client(peername=("", 0), sockname=("", 0), state=ConnectionState.CLOSED)
        context = Context(client, options)
        super().__init__(context)
        self.layer = _Opening(context, address, tls=tls)

    async def connect(self) -> Server | None:
        """Open the connection. Return it, or None if it could not be opened."""
        await self.server_event(events.Start())
        return None if await self.layer.opened else self.layer.context.server

    def release(self) -> list[Layer]:
        """Take the layers of the connection out of this handler."""
        self.layer.is_released = True
        return self.layer.below

    async def end(self) -> None:
        """Close what was not released."""
        tasks = [io.handler for io in self.transports.values() if io.handler]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Run a hook."""
        await ctx.master.addons.handle_lifecycle(hook)

    def log(self, message: str, *_args: object, **_keywords: object) -> None:
        """Log what mitmproxy reports of the connection, for debugging only: it belongs to no client."""
        log.debug("ready connection: %s", message)


class _Opening(layer.Layer):
    """The outermost layer: starts those of the connection, and waits until it is open."""

    def __init__(self, context: Context, address: tuple[str, int], *, tls: bool) -> None:
        context.server = Server(address=address)
        inner = fork(context)
        super().__init__(context)
        self.below: list[Layer] = inner.layers
        """The layers of the connection, the outermost first."""
        self.is_released = False
        self.opened: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        """The reason why the connection could not be opened; None when it is open."""
        stack = tunnel.LayerStack()
        if tls:
            context.server.sni = address[0]
            stack /= ServerTLSLayer(inner)
        stack /= HttpClient(inner)

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if self.is_released:
            return
        for command in self.below[0].handle_event(event):
            if isinstance(command, RegisterHttpConnection):
                self.opened.set_result(command.err)
            else:
                yield command
