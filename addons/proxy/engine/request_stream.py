"""mitmproxy's HttpStream, changed to receive a whole request and to leave every answer to the subclass.

mitmproxy may stream a request to the reverse target, answers an invalid or large one with HTML, and lets a flow pass
whose hook has failed. Here nothing of that remains: the flow never gets a connection, and after each hook the subclass
is asked whether the request may go on.

Never does: write to the client. Invariant: `follow_plan` is called once, after both hooks have admitted the request.
"""

from __future__ import annotations

import time
from typing import NoReturn

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
from addons.core.limits import Limits
from addons.core.turn import Fault
from addons.proxy.engine.mitmproxy_patches.command_pump import PromptStream
from addons.proxy.engine.request_side import (
    BAD_REQUEST,
    NOT_ADMITTED,
    SLOW_BODY,
    RequestSide,
    too_large,
)
from addons.proxy.engine.states import ClientEvent, TurnState


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
        if not event.end_stream:
            self._body_deadline = commands.RequestWakeup(self.request_side.limits.body_seconds)
            yield self._body_deadline
        for command in super().state_wait_for_request_headers(event):
            if isinstance(command, HttpRequestHeadersHook) and not self.state.is_ending:
                self.turn_begins()
            yield command

    def start_request_stream(self) -> CommandGenerator[None]:
        """Receive the request whole: it is translated, and may be sent more than once."""
        self.flow.request.stream = False
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
        buffered = len(self.request_body_buf)
        if not request or not self.request_side.is_too_large(self.flow.request, buffered):
            return False
        if not buffered:
            # no hook has seen the flow yet: it would be refused without a trace
            yield HttpRequestHeadersHook(self.flow)
        yield from self._refuse_large()
        return True

    def _refuse_large(self) -> CommandGenerator[None]:
        self.request_body_buf.clear()
        yield from self.refuse(too_large(self.request_side.limits.body_bytes))

    def state_consume_request_body(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body until it is whole, then let every hook see it."""
        if isinstance(event, RequestEndOfMessage):
            return self._request_is_whole()
        if isinstance(event, RequestData):
            self.request_side.count(event.data)
            self.request_body_buf += event.data
            if self.request_side.is_too_large(self.flow.request, len(self.request_body_buf)):
                return self._refuse_large()
        return nothing()

    def _request_is_whole(self) -> CommandGenerator[None]:
        self.flow.request.timestamp_end = time.time()
        self.flow.request.data.content = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.request_side.is_whole = True
        self._forget_body_deadline()
        yield HttpRequestHook(self.flow)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if not self.request_side.is_admitted:
            yield from self.fail(NOT_ADMITTED)
            return
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
            self.request_side.count(event.data)
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
            self.client_state = self.server_state = _ignore
            self.context.layers.clear()


def nothing() -> CommandGenerator[None]:
    """Do nothing."""
    yield from ()


def _ignore(_: events.Event) -> CommandGenerator[None]:
    """Discard an event of a stream that has left the layer."""
    return nothing()
