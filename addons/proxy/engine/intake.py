"""The request half of a stream: admission, validity, size, and the body until it is whole.

mitmproxy would answer what is wrong with HTML, forward a streamed body to the reverse target, and let a flow pass
whose hook has crashed. Here every refusal is our JSON, nothing is ever sent to the target, and a flow goes on only
after the addon has said so twice: at the request's head and at its end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum, auto
from typing import NoReturn

from mitmproxy.net.http.http1 import expected_http_body_size
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http import validate_request as mitmproxy_objection
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHeadersHook, HttpRequestHook

from addons.core.credential import Secret
from addons.core.errors import Problem
from addons.core.limits import Limits
from addons.core.record import TurnRecord
from addons.core.turn import ClientRequest, Fault, FaultKind

BAD_REQUEST = Problem(
    400,
    "bad_request",
    "codex-shim refuses this request: its method, target or headers are not valid for a local HTTP server. "
    "Check the program that sent it; nothing was sent on.",
)

NOT_ADMITTED = Fault(
    FaultKind.INTERNAL,
    "the request was not admitted, because a hook failed or did not run; nothing was sent on. "
    "Look into the log of codex-shim, then run `codex-shim doctor`",
)


def too_large(limit: int) -> Problem:
    """The answer to a body over the limit."""
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


class IntakeStream(HttpStream):
    """Takes in one request. What to do with it, and how to end, is up to the subclass."""

    def __init__(self, context: Context, stream_id: int, limits: Limits) -> None:
        super().__init__(context, stream_id)
        self.limits = limits
        self.credentials: Mapping[bytes, Secret] = {}
        self.client_authority = ""
        self.admission = Admission.NONE
        self.refusal: Problem | None = None
        self.ended = False
        self.record = TurnRecord()
        self._received = 0

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
        """End the turn with what the fault table says."""
        raise NotImplementedError

    def client_gone(self, event: RequestProtocolError) -> CommandGenerator[None]:
        """End the turn without an answer."""
        raise NotImplementedError

    @property
    def doom(self) -> Fault | None:
        """What has to end the turn at the next chance, if anything: a kill, a shutdown."""
        raise NotImplementedError

    # Head -------------------------------------------------------------------------------------------------

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Let mitmproxy make the flow; tell the subclass before the first hook sees it."""
        for command in super().state_wait_for_request_headers(event):
            if isinstance(command, HttpRequestHeadersHook) and not self.ended:
                self.turn_begins()
            yield command

    def start_request_stream(self) -> CommandGenerator[None]:
        """A request is always taken in whole: it is translated, and may be sent more than once."""
        self.flow.request.stream = False
        yield from ()

    def make_server_connection(self) -> NoReturn:
        """The flow itself never gets a connection: its host is the dead sink."""
        msg = "a flow was about to be sent to the reverse target"
        raise AssertionError(msg)

    def check_invalid(self, request: bool) -> CommandGenerator[bool]:  # noqa: FBT001  mitmproxy's signature
        """Refuse in our words; the text of mitmproxy quotes header bytes. Responses are checked elsewhere."""
        if not request or not mitmproxy_objection(self.mode, self.flow.request, True):  # noqa: FBT003
            return False
        if not self.flow.is_replay:
            self.flow.request.headers.clear()
        yield HttpRequestHeadersHook(self.flow)
        yield from self.refuse(BAD_REQUEST)
        return True

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:  # noqa: ARG002, FBT001
        """After each hook: whether the turn has ended or has to."""
        if self.ended:
            return True
        for event in self._paused_event_queue:
            if isinstance(event, RequestProtocolError):
                yield from self.client_gone(event)
                return True
        if doom := self.doom:
            yield from self.fail(doom)
        else:
            yield from self._check_admission()
        return self.ended

    def _check_admission(self) -> CommandGenerator[None]:
        if self.refusal:
            yield from self.refuse(self.refusal)
        elif self.admission is Admission.NONE:
            yield from self.fail(NOT_ADMITTED)

    # Body -------------------------------------------------------------------------------------------------

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:  # noqa: FBT001  mitmproxy's signature
        """Refuse a body that is, or says that it is, over the limit. Responses have no such limit."""
        if not request or self._body_size() <= self.limits.body_bytes:
            return False
        if not self.request_body_buf:
            # no hook has seen the flow yet: it would be refused without a trace
            yield HttpRequestHeadersHook(self.flow)
        self.request_body_buf.clear()
        yield from self.refuse(too_large(self.limits.body_bytes))
        return True

    def _body_size(self) -> int:
        if self.request_body_buf:
            return len(self.request_body_buf)
        try:
            return expected_http_body_size(self.flow.request) or 0
        except ValueError:
            return 0

    def state_consume_request_body(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body until it is whole, then let the addon and every other hook see it."""
        if isinstance(event, RequestData):
            self._received += len(event.data)
            self.request_body_buf += event.data
            yield from self.check_body_size(True)  # noqa: FBT003
        elif isinstance(event, RequestEndOfMessage):
            yield from self._request_is_whole()

    def _request_is_whole(self) -> CommandGenerator[None]:
        self.flow.request.timestamp_end = time.time()
        self.flow.request.data.content = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.client_state = self.state_done
        yield HttpRequestHook(self.flow)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if self.admission is not Admission.WHOLE:
            yield from self.fail(NOT_ADMITTED)
            return
        yield from self.follow_plan()

    def client_request(self) -> ClientRequest:
        """What the flow holds now that every hook has returned; an edit made in mitmweb counts."""
        request = self.flow.request
        return ClientRequest(
            method=request.method,
            path=request.path,
            headers=tuple(request.headers.fields),
            body=request.raw_content or b"",
            credentials=self.credentials,
            record=self.record,
        )

    # After the end ----------------------------------------------------------------------------------------

    def drop_late(self, event: events.Event) -> CommandGenerator[None]:
        """The turn has ended: swallow the rest of the request, up to twice the limit in all."""
        if isinstance(event, RequestData):
            self._received += len(event.data)
            if self._received > 2 * self.limits.body_bytes:
                yield commands.CloseConnection(self.context.client)
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError):
            yield from self.drop()

    def drop(self) -> CommandGenerator[None]:
        """Take the stream out of the layer."""
        raise NotImplementedError


def has_valid_headers(flow_response: object) -> bool:
    """Whether mitmproxy's checks against response smuggling pass."""
    try:
        validate_headers(flow_response)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True
