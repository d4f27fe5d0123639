"""The request of one turn: credentials, admission, validity, size.

mitmproxy would answer an invalid request with HTML, forward a streamed body to the reverse target, and let a flow pass
whose hook has failed. Here every refusal is JSON, and a flow goes on only after the addon has admitted it twice: at the
request's head and at its end.

Never does: write to the client. Invariant: a request is admitted only by hooks that came to their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from mitmproxy import http
from mitmproxy.proxy.layers.http._events import RequestHeaders

from addons.core.errors import Problem
from addons.core.headers import TARGET_LABEL
from addons.core.limits import Limits
from addons.core.masking.credentials import Taken, holds_key
from addons.core.masking.credentials import take_credentials as credentials_in
from addons.core.masking.mask import TurnMask
from addons.core.protocols.request_body import decode, encode, find_model
from addons.core.protocols.responses.websocket.request import Frame
from addons.core.secrets import Secret
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import ClientRequest, ClientTransport, Fault, FaultKind
from addons.proxy.engine.mitmproxy_patches.messages import (
    expected_http_body_size,
    validate_headers,
)

BAD_REQUEST = Problem(
    400,
    "bad_request",
    "codex-shim refuses this request: its method, target or headers are not valid for a local HTTP server. "
    "Check the program that sent it; nothing was sent on.",
)

SLOW_BODY = Problem(
    408,
    "request_timeout",
    "codex-shim refuses this request: its body did not come within `body_seconds`. "
    "Check the program that sent it, or raise `body_seconds` under `limits` in models.json; nothing was sent on.",
)

NOT_ADMITTED = Fault(
    FaultKind.INTERNAL,
    "the request was not admitted, because a hook failed or did not run; nothing was sent on. "
    "Look into the log of codex-shim, then run `codex-shim doctor`",
)


def too_large(limit: int) -> Problem:
    """Return the answer to a body over the limit."""
    return Problem(
        413,
        "request_too_large",
        f"codex-shim refuses this request: its body is larger than {limit:,} bytes. "
        "Send less, or raise `body_bytes` under `limits` in models.json.",
    )


class Admission(Enum):
    """How far the addon's hooks have let a flow pass. Only a finished hook moves it on."""

    NONE = auto()
    HEAD = auto()
    WHOLE = auto()


class RequestSide:
    """The state of one client request."""

    __slots__ = (
        "_received",
        "admission",
        "client_authority",
        "credentials",
        "frame",
        "is_whole",
        "limits",
        "refusal",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.credentials: Mapping[bytes, Secret] = {}
        self.client_authority = ""
        """The Host or :authority that the client sent, before mitmproxy rewrites it."""
        self.admission = Admission.NONE
        self.refusal: Problem | None = None
        self.frame: Frame | None = None
        """The frame of a WebSocket that brought the request; None by HTTP."""
        self.is_whole = False
        """Whether the last byte of the request was received, or the client has left."""
        self._received = 0

    def take_from(self, event: RequestHeaders) -> None:
        """Take what a flow does not hold off the head of a request. That of a replay has labels only."""
        self.client_authority = event.request.host_header or ""
        if not event.replay_flow:
            self.credentials = take_credentials(event.request)

    @property
    def is_admitted(self) -> bool:
        """Whether both hooks have admitted the request."""
        return self.admission is Admission.WHOLE

    def count(self, data: bytes) -> None:
        """Count a part of the body."""
        self._received += len(data)

    @property
    def is_flooding(self) -> bool:
        """Whether the client went on sending to twice the limit, although its turn has ended."""
        return self._received > 2 * self.limits.body_bytes

    def is_too_large(self, request: http.Request, buffered: int) -> bool:
        """Return whether the body is over the limit, by its declared length or by what was received."""
        return (buffered or _declared_size(request)) > self.limits.body_bytes

    def objection(self) -> Problem | Fault | None:
        """Return why the request may not go on, after a hook."""
        return self.refusal or (NOT_ADMITTED if self.admission is Admission.NONE else None)

    def client_request(self, request: http.Request, record: TurnRecord) -> ClientRequest:
        """Return what the flow holds now that every hook has returned. An edit made in mitmweb counts."""
        body, frame = request.raw_content or b"", self.frame
        return ClientRequest(
            method=request.method,
            path=request.path,
            headers=tuple(request.headers.fields),
            body=body,
            credentials=self.credentials,
            notes=record,
            transport=ClientTransport.WEBSOCKET if frame else ClientTransport.HTTP,
            frame=frame.text if frame and frame.body == body else None,
            is_replay=record.replay,
            version=request.http_version,
        )

    def hide_key(self, request: http.Request, record: TurnRecord) -> None:
        """Replace what the router took for a key in the place of the model."""
        if record.slug != TARGET_LABEL:
            return
        body, limit = request.raw_content or b"", self.limits.body_bytes
        encoding = request.headers.get("content-encoding", "").encode() or None
        model, plain = find_model(body, encoding, limit), decode(body, encoding, limit)
        if isinstance(model, str) and isinstance(plain, bytes):
            mask = TurnMask()
            mask.add([Secret(model)])
            request.data.content = encode(mask.current.data(plain), encoding)


def _declared_size(request: http.Request) -> int:
    try:
        return expected_http_body_size(request) or 0
    except ValueError:
        return 0


def has_valid_headers(response: http.Response) -> bool:
    """Return whether mitmproxy's checks against response smuggling pass."""
    try:
        validate_headers(response)
    except ValueError:
        return False
    return True


def _take_host(request: http.Request, place: str, taken: Taken) -> None:
    """Take a key that stands where the target names a host."""
    value = getattr(request.data, place)
    text = value if isinstance(value, str) else value.decode("latin-1")
    if text and holds_key(text):
        taken.keep(place.encode(), text.encode("utf-8", "surrogateescape"))
        label = f"{TARGET_LABEL}:{request.data.port}" if place == "authority" else TARGET_LABEL
        setattr(request.data, place, label if isinstance(value, str) else label.encode())


def take_credentials(request: http.Request) -> Mapping[bytes, Secret]:
    """Replace the credentials in the headers and the target of a request by labels, and return them."""
    target = request.data.path.decode("utf-8", "surrogateescape")
    taken = credentials_in(tuple(request.headers.fields), target)
    for place in ("authority", "host"):
        _take_host(request, place, taken)
    if taken.credentials:
        request.headers.fields = taken.headers
        request.data.path = taken.target.encode("utf-8", "surrogateescape")
    if not request.data.method.isalpha() and holds_key(request.data.method.decode("latin-1")):
        taken.keep(b"method", request.data.method)
        request.data.method = TARGET_LABEL.encode()
    return taken.credentials
