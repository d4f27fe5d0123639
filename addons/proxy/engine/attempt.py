"""The upstream's side of one turn: one attempt at a time, each under an id of its own.

Events carry a stream id and no connection, so late data or a late error of an abandoned attempt would be taken for the
next attempt's. Clients only use odd ids. Each attempt gets a fresh even id, and releasing the attempt removes the id
from the layer, so late events are dropped.

An upstream may close an idle connection while a request is on its way. What the upstream sent before it saw the request
arrives within one round trip of sending. Only an attempt that ends within that time is repeated: later the upstream may
have worked on the request, and would be paid twice.

The egress step, `http_request`, makes an `UpstreamRequest` the mitmproxy request of the attempt. Only there are secrets
revealed. What would break the request's head (RFC 9112, sections 3 and 5), and a secret bound to another origin, raise
before anything is sent.

Never does: decide what a response means, touch a flow. Invariant: after `release` no event of the attempt reaches the
turn.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HttpStream, SendHttp

from addons.core.headers import Headers, bad_name
from addons.core.protocols.responses.websocket_upstream import upgrade_headers
from addons.core.secrets import Origin
from addons.core.turn import Collect, Head, Prepare, Send, UpstreamRequest
from addons.proxy.engine.interfaces import LayerHost
from addons.proxy.engine.mitmproxy_patches import connections
from addons.proxy.engine.mitmproxy_patches.http1_connections import WholeRequest
from addons.proxy.engine.mitmproxy_patches.messages import headers_of, request_of
from addons.proxy.engine.states import TurnState, UpstreamEvent, UpstreamState
from addons.proxy.engine.websocket.upstream_socket import SocketTurn


class Attempt:
    """The attempt under way, if any."""

    __slots__ = (
        "_body",
        "_id",
        "_is_enough",
        "_layer",
        "_now",
        "_sent_at",
        "_state",
        "body_limit",
        "connect_timed_out",
        "connection",
        "delayed",
        "head",
        "is_full",
        "origin",
        "prepared",
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
        self._is_enough: Callable[[bytes], bool] | None = None
        self.is_full = False
        """Whether as much of the response body was collected as the plan asked for."""
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
        self.prepared: Prepare | None = None
        """What is done before the next attempt."""

    def is_current(self, attempt_id: int) -> bool:
        """Return whether an event belongs to the attempt under way."""
        return attempt_id == self._id

    def delay(self, step: Send) -> None:
        """Keep this attempt until its delay is over."""
        self._state.on_upstream(UpstreamEvent.DELAY)
        self.delayed = step

    def prepare(self, step: Prepare) -> None:
        """Keep what comes before the next attempt until it is done."""
        self._state.on_upstream(UpstreamEvent.PREPARE)
        self.prepared = step

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
        body = request.body
        whole = WholeRequest(attempt_id, outgoing, end_stream=not body, body=body)
        yield SendHttp(whole, connection)

    @property
    def seconds(self) -> float:
        """The time since the request was sent."""
        return self._now() - self._sent_at

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the origin. Raises AssertionError before the first attempt."""
        assert self.origin is not None  # noqa: S101  known once there was an attempt
        return self.origin.host, self.origin.port

    @property
    def is_within_round_trip(self) -> bool:
        """Whether the request went out on a reused connection, so lately that no byte can be an answer to it."""
        if not self.reused or self.connection is None:
            return False
        return self.seconds <= connections.round_trip(self.connection)

    def receive_head(self, head: Head) -> None:
        """Note the response head."""
        self._state.on_upstream(UpstreamEvent.HEAD_RECEIVED)
        self.head, self.request = head, None

    def collect(self, step: Collect) -> None:
        """Begin to keep the response body, as much of it as the plan asks for."""
        self._state.on_upstream(UpstreamEvent.COLLECT)
        self.body_limit, self._is_enough = step.limit, step.is_enough
        self._body.clear()
        self.is_full = False

    def keep(self, data: bytes) -> None:
        """Keep a part of the response body."""
        self._body += data
        is_enough = self._is_enough is not None and self._is_enough(data)
        self.is_full = is_enough or len(self._body) >= self.body_limit

    def take_body(self) -> bytes:
        """Return all that was collected, and forget it."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def end(self) -> None:
        """The response is complete, or the connection is gone: nothing more will come."""
        self._state.on_upstream(UpstreamEvent.RELEASE)
        self.delayed = self.request = self.prepared = None
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


_BLANK_OR_CONTROL = re.compile(rb"[\x00-\x20\x7f]")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class UnsafeHeaderError(Exception):
    """A part of an upstream request would break its head. Names the part, never its value."""


def http_request(request: UpstreamRequest) -> http.Request:
    """Return the mitmproxy request that goes to the upstream connection and into no flow.

    Raises UnsafeHeaderError and ForeignOriginError.
    """
    origin = request.origin
    data = http.RequestData(
        host=origin.host,
        port=origin.port,
        method=_target_part("method", request.method.encode("ascii")),
        scheme=origin.scheme.encode(),
        authority=b"",
        path=_target_part("path", request.path.encode("utf-8", "surrogateescape")),
        http_version=b"HTTP/1.1",
        headers=headers_of(_headers(request)),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )
    return request_of(data)


def upgrade_request(request: UpstreamRequest) -> http.Request:
    """Return the request of the upgrade to the WebSocket that this request goes over. Raises as `http_request` does."""
    headers = upgrade_headers(request.headers)
    return http_request(replace(request, method="GET", headers=headers, body=b""))


def credential_digest(request: UpstreamRequest) -> bytes:
    """Return a digest of the secrets of a request, which never leaves this process. Empty without a secret."""
    if not (request.secrets or request.body_secrets):
        return b""
    digest = hashlib.sha256()
    for field in request.secrets:
        digest.update(b"%b\0%b\0" % (field.name.lower(), field.prefix))
        digest.update(field.secret.digest)
    for secret in request.body_secrets:
        digest.update(b"\0" + secret.digest)
    return digest.digest()


def _headers(request: UpstreamRequest) -> Headers:
    origin = request.origin
    coding = "ascii" if origin.host.isascii() else "idna"
    headers = [
        (b"host", origin.authority.encode(coding)),
        *request.headers,
        *[(field.name, field.value_for(origin)) for field in request.secrets],
    ]
    if request.body or request.method in _BODY_METHODS:
        headers.append((b"content-length", b"%d" % len(request.body)))
    if (bad := bad_name(headers)) is not None:
        msg = f"header {bad.decode('latin-1')!r} holds a character that no header may hold"
        raise UnsafeHeaderError(msg)
    return tuple(headers)


def _target_part(part: str, value: bytes) -> bytes:
    if _BLANK_OR_CONTROL.search(value) or not value:
        msg = f"the request's {part} is empty or holds a blank or control character"
        raise UnsafeHeaderError(msg)
    return value
