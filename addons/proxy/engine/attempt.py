"""The upstream's side of one turn: one attempt at a time, each under an id of its own.

Events carry a stream id and no connection, so late data or a late error of an abandoned attempt would be taken for the
next attempt's. Clients only use odd ids. Each attempt gets a fresh even id, and releasing the attempt removes the id
from the layer, so late events are dropped.

An upstream may close an idle connection while a request is on its way. What the upstream sent before it saw the request
arrives within one round trip of sending. Only an attempt that ends within that time is repeated: later the upstream may
have worked on the request, and would be paid twice.

Never does: decide what a response means. Invariant: after `release` no event of the attempt reaches the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
)

from addons.core.secrets import Origin
from addons.core.turn import Head, Send, UpstreamRequest
from addons.proxy.engine.interfaces import LayerHost
from addons.proxy.engine.states import TurnState, UpstreamEvent, UpstreamState
from addons.proxy.engine.upstream import sockets
from addons.proxy.engine.upstream.egress import http_request, upgrade_request
from addons.proxy.engine.websocket.upstream_socket import SocketTurn


class Attempt:
    """The attempt under way, if any."""

    __slots__ = (
        "_body",
        "_id",
        "_layer",
        "_now",
        "_sent_at",
        "_state",
        "body_limit",
        "connect_timed_out",
        "connection",
        "delayed",
        "head",
        "origin",
        "request",
        "reused",
    )

    def __init__(self, layer: LayerHost, state: TurnState, now: Callable[[], float]) -> None:
        self._layer = layer
        self._state = state
        self._now = now
        self._sent_at = 0.0
        self._id: int | None = None
        self._body = bytearray()
        self.body_limit = 0
        """How much of a response body the plan asked for."""
        self.connection: Server | None = None
        self.origin: Origin | None = None
        self.head: Head | None = None
        self.request: UpstreamRequest | None = None
        """What was sent, until the attempt ends or its response head is there."""
        self.reused = False
        self.connect_timed_out = False
        self.delayed: Send | None = None
        """The attempt that waits for its delay."""

    def is_current(self, attempt_id: int) -> bool:
        """Return whether an event belongs to the attempt under way."""
        return attempt_id == self._id

    def delay(self, step: Send) -> None:
        """Keep this attempt until its delay is over."""
        self._state.on_upstream(UpstreamEvent.DELAY)
        self.delayed = step

    def connect(self, origin: Origin) -> None:
        """Begin an attempt at this origin."""
        self._state.on_upstream(UpstreamEvent.CONNECT)
        self.origin, self.head, self.delayed = origin, None, None
        self.connect_timed_out = False

    def send(
        self, request: UpstreamRequest, connection: Server, stream: HttpStream
    ) -> Iterator[commands.Command]:
        """Send the upstream request. Raises what the egress step raises, before a byte is sent."""
        by_socket = request.frame is not None
        outgoing = upgrade_request(request) if by_socket else http_request(request)
        self.connection = connection
        self.reused = self._layer.mark_used(connection)
        attempt_id = self._id = self._layer.register_attempt(stream)
        self._state.on_upstream(UpstreamEvent.REQUEST_SENT)
        self.request = request
        self._sent_at = self._now()
        if by_socket:
            yield SendHttp(SocketTurn(attempt_id, outgoing, True, turn=request), connection)  # noqa: FBT003
            return
        head = RequestHeaders(attempt_id, outgoing, end_stream=not request.body)
        yield SendHttp(head, connection)
        if request.body:
            yield SendHttp(RequestData(attempt_id, request.body), connection)
        yield SendHttp(RequestEndOfMessage(attempt_id), connection)

    @property
    def seconds(self) -> float:
        """The time since the request was sent."""
        return self._now() - self._sent_at

    @property
    def is_within_round_trip(self) -> bool:
        """Whether the request went out on a reused connection, so lately that no byte can be an answer to it."""
        if not self.reused or self.connection is None:
            return False
        return self.seconds <= sockets.round_trip(self.connection)

    def receive_head(self, head: Head) -> None:
        """Note the response head."""
        self._state.on_upstream(UpstreamEvent.HEAD_RECEIVED)
        self.head, self.request = head, None

    def collect(self, limit: int) -> None:
        """Begin to keep the response body, at most `limit` bytes of it."""
        self._state.on_upstream(UpstreamEvent.COLLECT)
        self.body_limit = limit
        self._body.clear()

    def keep(self, data: bytes) -> None:
        """Keep a part of the response body."""
        self._body += data

    @property
    def is_full(self) -> bool:
        """Whether as much of the response body was collected as the plan asked for."""
        return len(self._body) >= self.body_limit

    def take_body(self) -> bytes:
        """Return all that was collected, and forget it."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def end(self) -> None:
        """The response is complete, or the connection is gone: nothing more will come."""
        self._state.on_upstream(UpstreamEvent.RELEASE)
        self.delayed = self.request = None
        if self._id is not None:
            self._layer.streams.pop(self._id, None)
            self._id = None

    def release(self) -> Iterable[commands.Command]:
        """Abandon the attempt under way, if any: close its connection and drop its late events."""
        if self._state.upstream is UpstreamState.IDLE:
            return ()
        was_sent = self._state.is_attempt_sent
        self.end()
        return self._layer.close(self.connection) if was_sent and self.connection else ()
