"""The request of one turn: its state, and mitmproxy's HttpStream changed to receive it whole.

mitmproxy would answer an invalid or large request with HTML, forward a streamed body to the reverse target, and let a
flow pass whose hook has failed. Here every answer is left to the subclass, the flow never gets a connection, and it
goes on only after the addon has admitted it twice: at the request's head and at its end.

Never does: write to the client. Invariant: a request is admitted only by hooks that came to their end, and
`follow_plan` is called once, after both.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum, auto
from typing import NoReturn

from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import DropStream, HTTPMode, SendHttp
from mitmproxy.proxy.layers.http import validate_request as mitmproxy_objection
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpRequestHook

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
from addons.proxy.engine.mitmproxy_patches.command_pump import PromptStream
from addons.proxy.engine.mitmproxy_patches.http1_connections import WholeRequest
from addons.proxy.engine.mitmproxy_patches.messages import declared_size
from addons.proxy.engine.states import ClientEvent, TurnState

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


SMALL_PART_BYTES = 4096
"""A part below it is joined to the one before, if that is small too."""


class RequestSide:
    """The state of one client request."""

    __slots__ = (
        "_parts", "admission", "client_authority", "credentials", "frame", "is_whole", "limits", "received", "refusal",
    )  # fmt: skip

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
        self.received = 0
        """How many bytes of the body have come."""
        self._parts: list[bytes | bytearray] = []

    def take_from(self, event: RequestHeaders) -> None:
        """Take what a flow does not hold off the head of a request. That of a replay has labels only."""
        self.is_whole = type(event) is WholeRequest
        self.client_authority = event.request.host_header or ""
        if not event.replay_flow:
            self.credentials = take_credentials(event.request)

    @property
    def is_admitted(self) -> bool:
        """Whether both hooks have admitted the request."""
        return self.admission is Admission.WHOLE

    def keep(self, data: bytes) -> None:
        """Keep a part of the body as it came, or joined to the one before: an object for each byte would take fifty."""
        self.received += len(data)
        parts = self._parts
        if not parts or max(len(data), len(parts[-1])) >= SMALL_PART_BYTES:
            parts.append(data)
            return
        if not isinstance(last := parts[-1], bytearray):
            last = parts[-1] = bytearray(last)
        last += data

    def take_body(self) -> bytes:
        """Return what was kept, and forget it. A frame has it all."""
        parts, self._parts = self._parts, []
        return self.frame.body if self.frame else b"".join(parts)

    @property
    def is_flooding(self) -> bool:
        """Whether the client went on sending to twice the limit, although its turn has ended."""
        return self.received > 2 * self.limits.body_bytes

    def is_too_large(self, request: http.Request) -> bool:
        """Return whether the body is over the limit, by its declared length or by what was received."""
        return (self.received or declared_size(request)) > self.limits.body_bytes

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


class RequestStream(PromptStream):
    """Receives one request. The subclass decides what follows."""

    mode = HTTPMode.transparent
    """That of the layer. mitmproxy searches the layers of each stream for it."""

    def __init__(self, context: Context, stream_id: int, limits: Limits) -> None:
        super().__init__(context, stream_id)
        self.client_state = self.state_wait_for_request_headers
        self.state = TurnState()
        self.request_side = RequestSide(limits)
        self._body_deadline: commands.RequestWakeup | None = None
        """Set while the body is under way, after an early answer as well."""

    # What the subclass does -------------------------------------------------------------------------------

    def turn_begins(self) -> None:
        """The flow exists and no hook has seen it."""
        raise NotImplementedError

    def follow_plan(self) -> CommandGenerator[None]:
        """The request is whole and admitted."""
        raise NotImplementedError

    def refuse(self, problem: Problem) -> CommandGenerator[None]:
        """End the turn with this answer and close the connection, before or after the request is whole."""
        raise NotImplementedError

    def fail(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn with the answer to this fault."""
        raise NotImplementedError

    def client_gone(self) -> CommandGenerator[None]:
        """End the turn without an answer."""
        raise NotImplementedError

    def forget_wakeup(self, wakeup: commands.RequestWakeup) -> None:
        """Cancel a wake-up that nothing waits for."""
        raise NotImplementedError

    @property
    def pending_fault(self) -> Fault | None:
        """What has to end the turn at the next chance, if anything: a kill, a shutdown."""
        raise NotImplementedError

    # Head -------------------------------------------------------------------------------------------------

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Let mitmproxy make the flow. The turn begins before the first hook sees it."""
        side = self.request_side
        if not (event.end_stream or side.frame or side.is_whole):
            self._body_deadline = commands.RequestWakeup(side.limits.body_seconds)
            yield self._body_deadline
        for command in super().state_wait_for_request_headers(event):
            if isinstance(command, HttpRequestHeadersHook) and not self.state.is_ending:
                self.turn_begins()
            yield command
        if type(event) is WholeRequest and not self.state.is_ending:
            side.keep(event.body)
            yield from self._request_is_whole()

    def start_request_stream(self) -> CommandGenerator[None]:
        """Receive the request whole: it is translated, and may be sent more than once."""
        self.flow.request.stream = False
        self.client_state = self.state_consume_request_body
        yield from ()

    def make_server_connection(self) -> NoReturn:
        """Raise: the flow itself never gets a connection. Its host is the dead sink."""
        msg = "a flow was about to be sent to the reverse target"
        raise AssertionError(msg)

    def check_invalid(self, request: bool) -> CommandGenerator[bool]:  # noqa: FBT001  mitmproxy's signature
        """Refuse an invalid request without mitmproxy's text, which quotes header bytes."""
        if not request or not mitmproxy_objection(self.mode, self.flow.request, True):  # noqa: FBT003
            return False
        if not self.flow.is_replay:
            self.flow.request.headers.clear()
        yield HttpRequestHeadersHook(self.flow)
        yield from self.refuse(BAD_REQUEST)
        return True

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:  # noqa: ARG002, FBT001
        """Return, after a hook or a connect, whether the turn has ended. End it if it has to."""
        if self.state.is_ending:
            return True
        if RequestProtocolError in map(type, self._paused_event_queue):
            yield from self.client_gone()
        elif pending_fault := self.pending_fault:
            yield from self.fail(pending_fault)
        elif objection := self.request_side.objection():
            if isinstance(objection, Problem):
                yield from self.refuse(objection)
            else:
                yield from self.fail(objection)
        return self.state.is_ending

    # Body -------------------------------------------------------------------------------------------------

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:  # noqa: FBT001  mitmproxy's signature
        """Refuse a body over the limit, by its declared length or by what came. Responses have no such limit."""
        if not request or not self.request_side.is_too_large(self.flow.request):
            return False
        if not self.request_side.received:
            # no hook has seen the flow yet: it would be refused without a trace
            yield HttpRequestHeadersHook(self.flow)
        yield from self._refuse_large()
        return True

    def _refuse_large(self) -> CommandGenerator[None]:
        self.request_side.take_body()
        yield from self.refuse(too_large(self.request_side.limits.body_bytes))

    def state_consume_request_body(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body until it is whole, then let every hook see it."""
        if isinstance(event, RequestEndOfMessage):
            return self._request_is_whole()
        if isinstance(event, RequestData):
            self.request_side.keep(event.data)
            if self.request_side.is_too_large(self.flow.request):
                return self._refuse_large()
        return nothing()

    def take_part(self, data: bytes) -> bool:
        """Take a part of a body of known size without an event. False: it has to come as one."""
        is_awaited = self.client_state == self.state_consume_request_body
        if self._paused or self.state.is_ending or not is_awaited:
            return False
        self.request_side.keep(data)
        return True

    def _request_is_whole(self) -> CommandGenerator[None]:
        self.flow.request.timestamp_end = time.time()
        self.flow.request.data.content = self.request_side.take_body()
        self.request_side.is_whole = True
        self._forget_body_deadline()
        yield HttpRequestHook(self.flow)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if not self.request_side.is_admitted:
            return (yield from self.fail(NOT_ADMITTED))
        self.state.on_client(ClientEvent.REQUEST_WHOLE)
        yield from self.follow_plan()

    def is_body_deadline(self, command: commands.Command) -> bool:
        """Return whether this is the wake-up at which the body has to be there."""
        return command is self._body_deadline

    def body_overdue(self) -> CommandGenerator[None]:
        """End a turn whose request does not become whole, and its connection, or its stream in HTTP/2."""
        self._body_deadline = None
        yield from self.refuse(SLOW_BODY)
        cut = ResponseProtocolError(self.stream_id, "request body without end", ErrorCode.KILL)
        yield SendHttp(cut, self.context.client)
        self.request_side.is_whole = True
        yield from self.drop()

    def _forget_body_deadline(self) -> None:
        if deadline := self._body_deadline:
            self._body_deadline = None
            self.forget_wakeup(deadline)

    # After the end ----------------------------------------------------------------------------------------

    def drop_late(self, event: events.Event) -> CommandGenerator[None]:
        """Discard the rest of the request of an ended turn, up to twice the limit in all."""
        if isinstance(event, RequestData):
            self.request_side.received += len(event.data)
            if self.request_side.is_flooding:
                yield commands.CloseConnection(self.context.client)
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError):
            self.request_side.is_whole = True
            yield from self.drop()
        elif isinstance(event, events.Wakeup) and self.is_body_deadline(event.command):
            yield from self.body_overdue()

    def drop(self) -> CommandGenerator[None]:
        """Leave the layer once the request is whole. Break the cycles that would keep the bodies for a while."""
        if self.request_side.is_whole:
            self._forget_body_deadline()
            yield DropStream(self.stream_id)
            # an event that still comes is discarded
            self.client_state = self.server_state = lambda _: nothing()
            self.context.layers.clear()


def nothing() -> CommandGenerator[None]:
    """Do nothing."""
    yield from ()
