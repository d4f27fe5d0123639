"""Which turns of the ChatGPT route go over a WebSocket, and what happens when none can be had.

A turn goes as it came, unless the setting `chatgpt.transport` says otherwise. An upstream that opens no WebSocket gets
the same turn by HTTP, and is not asked for one again for a while. A warm-up never goes by HTTP.

Never does: open a WebSocket, read a clock but the given one. Invariant: the request by HTTP is the one that goes over
the WebSocket, without its mark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

from addons.core.errors import SSE_HEADERS
from addons.core.headers import canonical
from addons.core.limits import Limits
from addons.core.protocols.request_body import decode
from addons.core.protocols.responses.websocket_upstream import (
    is_for_upstream,
    is_warm_up,
    warm_up_answer,
)
from addons.core.secrets import Origin
from addons.core.settings.root import Transport
from addons.core.turn import (
    Answer,
    ClientRequest,
    ClientTransport,
    Head,
    Reply,
    Send,
    UpstreamRequest,
    shim_path,
)

REFUSED_SECONDS = 600.0
"""How long an upstream that opened no WebSocket is not asked for one."""
_CODING = b"content-encoding"


class RefusedUpgrades:
    """The upstreams that opened no WebSocket lately. `now`: seconds of any clock."""

    __slots__ = ("_now", "_until")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[Origin, float] = {}

    def add(self, origin: Origin) -> None:
        """Note a refusal."""
        self._until[origin] = self._now() + REFUSED_SECONDS

    def __contains__(self, origin: Origin) -> bool:
        """Return whether this upstream is not to be asked now."""
        until = self._until.get(origin)
        return until is not None and self._now() < until


class TurnTransport:
    """The transport of one turn."""

    __slots__ = ("_frame", "_refused", "_request", "_uses_socket", "is_warm_up")

    def __init__(
        self, request: ClientRequest, setting: Transport, refused: RefusedUpgrades
    ) -> None:
        self._request = request
        self._refused = refused
        came_by_socket = request.transport is ClientTransport.WEBSOCKET
        self._uses_socket = setting == "websocket" or (setting == "auto" and came_by_socket)
        self._frame = request.frame
        self.is_warm_up = is_warm_up(request.frame)
        """Whether the turn costs money unless it goes as the client's own frame."""

    def first_step(self, sent: UpstreamRequest, limits: Limits) -> Send | Answer:
        """Return how a turn begins whose request by HTTP is this one."""
        if not self._uses_socket or shim_path(self._request.path) != "/responses":
            return self._by_http(sent)
        plain = decode(sent.body, self._request.header(_CODING), limits.body_bytes)
        is_object = isinstance(plain, bytes) and plain.strip().startswith(b"{")
        if not is_object or not isinstance(plain, bytes) or sent.origin in self._refused:
            return self._by_http(sent)
        is_own = sent.body is self._request.body and is_for_upstream(self._frame or b"")
        own = self._frame if is_own else None
        if self.is_warm_up and own is None:
            return self._by_http(sent)
        headers = tuple(each for each in sent.headers if canonical(each[0]) != _CODING)
        return Send(replace(sent, headers=headers, body=plain, frame=own or b""))

    def without_socket(self, sent: UpstreamRequest) -> Send | Answer:
        """Return what follows an upgrade that failed. It is remembered."""
        self._refused.add(sent.origin)
        return self._by_http(replace(sent, frame=None))

    def _by_http(self, sent: UpstreamRequest) -> Send | Answer:
        if not self.is_warm_up:
            return Send(sent)
        digest = blake2b(self._frame or b"", digest_size=12).hexdigest()
        body = warm_up_answer(f"resp_shim_warm_up_{digest}")
        return Answer(Reply(Head(200, SSE_HEADERS), body))


def changed(sent: UpstreamRequest) -> UpstreamRequest:
    """Return a request whose body is no longer the client's own: it goes as a frame of its own."""
    return replace(sent, frame=b"") if sent.frame else sent
