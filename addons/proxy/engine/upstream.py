"""The upstream's side of one stream: one attempt at a time, each under a wire id of its own.

Events carry a stream id and no connection, so that late data or a late error of an abandoned attempt would be taken
for the next attempt's. Clients only use odd ids; each attempt gets a fresh even one, and giving an attempt up takes
its id out of the layer: what it still says finds nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
)

from addons.core.credential import Origin, SecretHeader
from addons.core.turn import WireRequest
from addons.proxy.engine.seams import LayerOfTurns
from addons.proxy.engine.wire import http_request

HIDDEN = b"[key]"


class Upstream:
    """The attempt under way, if any."""

    __slots__ = ("_layer", "_wire_id", "connection", "head_seen", "origin", "reused", "secrets")

    def __init__(self, layer: LayerOfTurns) -> None:
        self._layer = layer
        self._wire_id: int | None = None
        self.connection: Server | None = None
        self.origin: Origin | None = None
        self.head_seen = False
        self.reused = False
        self.secrets: tuple[SecretHeader, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether an attempt was sent whose answer has not ended."""
        return self._wire_id is not None

    def hears(self, wire_id: int) -> bool:
        """Whether an event belongs to the attempt under way."""
        return wire_id == self._wire_id

    def send(
        self, wire: WireRequest, connection: Server, stream: HttpStream
    ) -> Iterator[commands.Command]:
        """Send one attempt. Raises what the egress step raises, before a byte is sent."""
        request = http_request(wire)
        self.connection = connection
        self.origin, self.secrets = wire.origin, wire.secrets
        self.head_seen = False
        self.reused = self._layer.mark_used(connection)
        wire_id = self._wire_id = self._layer.register_wire_id(stream)
        yield SendHttp(RequestHeaders(wire_id, request, end_stream=not wire.body), connection)
        if wire.body:
            yield SendHttp(RequestData(wire_id, wire.body), connection)
        yield SendHttp(RequestEndOfMessage(wire_id), connection)

    def without_secrets(self, body: bytes) -> bytes:
        """An answer that is told in words, without what it quotes of the credentials that were sent."""
        for field in self.secrets:
            body = field.secret.hidden_in(body, HIDDEN)
        return body

    def ended(self) -> None:
        """The answer is complete, or the connection is gone: nothing more will come."""
        if self._wire_id is not None:
            self._layer.streams.pop(self._wire_id, None)
        self._wire_id = None

    def give_up(self) -> Iterator[commands.Command]:
        """Stop the attempt under way: its connection is closed, its late events find nobody."""
        if self._wire_id is None or self.connection is None:
            return
        self.ended()
        yield from self._layer.close(self.connection)
