"""One turn inside mitmproxy: asks the turn's plan for steps and carries them out until the client has its answer.

`TurnStream` holds what it works on: the `RequestSide`, the `ResponseSide`, the `Attempt` under way, and the `TurnState`
that says what is legal (`states.py`). How a turn ends, after an exception as well, is in `ending.py`.

Never does: keep the state of a turn outside of these four. Invariant: a step is checked before it is carried out, and
an event counts only while the attempt that it belongs to is under way.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import cast

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from addons.core.turn import (
    Answer,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Prepare,
    Relay,
    Reply,
    Send,
    Step,
    StreamLocal,
    UpstreamRequest,
)
from addons.proxy.engine.attempt import credential_digest
from addons.proxy.engine.ending import EndingStream
from addons.proxy.engine.faults import connect_fault, response_fault
from addons.proxy.engine.injected import ConnectDeadline, Injected, InjectedEvent, Signal
from addons.proxy.engine.local_source import SLICED_BYTES, work_in_slices
from addons.proxy.engine.mitmproxy_patches.http1_connections import Flush
from addons.proxy.engine.mitmproxy_patches.messages import has_valid_headers, says_close
from addons.proxy.engine.pool import GetPooledConnection
from addons.proxy.engine.request_side import nothing
from addons.proxy.engine.states import (
    PlanEvent,
    UpstreamEvent,
    UpstreamState,
)
from addons.proxy.engine.timers import Due
from addons.proxy.engine.upstream.notices import NOTHING_RECEIVED, SOCKET_OVER

_CLIENT_EVENTS = (RequestHeaders, RequestData, RequestTrailers, RequestEndOfMessage)
_UPSTREAM_EVENTS = (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage)


class TurnStream(EndingStream):
    """The stream of one turn."""

    plan: Plan

    # Events -----------------------------------------------------------------------------------------------

    def _on_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, _UPSTREAM_EVENTS):
            is_current = self.attempt.is_current(event.stream_id)
            return self._on_response(event) if is_current else nothing()
        if isinstance(event, _CLIENT_EVENTS) and not self.state.is_ending:
            received: CommandGenerator[None] = self.client_state(event)
            return received
        return self._on_rare_event(event)

    def _on_rare_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, InjectedEvent):
            yield from self._on_injected(event.message)
        elif self.state.is_ending:
            yield from self.drop_late(event)
        elif isinstance(event, events.Wakeup):
            if self.is_body_deadline(event.command):
                yield from self.body_overdue()
            else:
                yield from self._on_wakeup(event)
        elif isinstance(event, ResponseProtocolError):
            if self.attempt.is_current(event.stream_id):
                yield from self._on_upstream_error(event)
        elif isinstance(event, RequestProtocolError):
            yield from self.client_gone()

    def _on_injected(self, message: Injected) -> CommandGenerator[None]:
        if message.signal is Signal.FAULT:
            fault = message.fault or Fault(FaultKind.INTERNAL, "a fault without a name")
            yield from self._terminate(fault)
        elif prepared := self.attempt.prepared:
            yield from self._prepared(prepared)
        elif self.state.upstream is not UpstreamState.LOCAL:
            return
        elif message.signal is Signal.END:
            yield from self.finish()
        else:
            yield from self._translate(message.data)
            if self.is_terminal_sent:
                # unlike an upstream, a local source sends nothing after it
                yield from self.finish()

    # Steps ------------------------------------------------------------------------------------------------

    def follow_plan(self) -> CommandGenerator[None]:
        """Ask for a plan, unless a hook has answered already."""
        if response := self.flow.response:
            head = Head(response.status_code, tuple(response.headers.fields))
            return self.answer(Reply(head, response.raw_content or b""))
        self.response_side.recorder.turn_begins(self.flow)
        request = self.request_side.client_request(self.flow.request, self.record)
        plan = self.plan = self._engine.router.plan(request)
        self.request_side.hide_key(self.flow.request, self.record)
        self.response_side.recorder.routed(self.flow, request.transport)
        if len(request.body) < SLICED_BYTES:
            return self._follow(PlanEvent.START, plan.start())
        return self._follow(PlanEvent.START, Prepare(lambda: work_in_slices(plan), plan.start))

    def _follow(self, event: PlanEvent, step: Step) -> CommandGenerator[None]:
        self.state.require(event, step)
        return self._carry_out(step)

    def _carry_out(self, step: Step) -> CommandGenerator[None]:
        match step:
            case Send():
                return self._send_later(step) if step.delay else self._begin_attempt(step)
            case Relay():
                return self._relay(step)
            case Collect():
                self.attempt.collect(step)
                return nothing()
            case Answer():
                return self.answer(step.reply)
            case StreamLocal():
                return self._stream_local(step)
            case Prepare():
                return self._prepare(step)

    def _send_later(self, step: Send) -> CommandGenerator[None]:
        yield from self.attempt.release()
        self.attempt.delay(step)
        yield from self.response_side.wake_after(step.delay)

    def _send_anew(self, request: UpstreamRequest, fault: Fault) -> CommandGenerator[None]:
        """Send a request again that its upstream cannot have seen: its idle connection had ended before."""
        self.response_side.recorder.attempt_ended(fault)
        return self._begin_attempt(Send(request), fresh=True)

    def _begin_attempt(self, step: Send, *, fresh: bool = False) -> CommandGenerator[None]:
        yield from self.attempt.release()
        origin = step.request.origin
        self.attempt.connect(origin)
        self.response_side.recorder.attempt_begins(step.request, self.flow)
        connection, error = yield from self._connect(step.request, fresh=fresh)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if connection is None:
            timed_out, limits = self.attempt.connect_timed_out, self.request_side.limits
            fault = connect_fault(error or "", origin, timed_out=timed_out, limits=limits)
            self.attempt.end()
            yield from self._attempt_failed(fault)
            return
        self.context.server = self.flow.server_conn = connection
        yield from self.attempt.send(step.request, connection, self)
        self.response_side.clock.attempt_sent(step.request.silence_seconds)
        yield Flush()
        yield from self.response_side.wake_when_due()
        if step.make_ready:
            step.make_ready()

    def _connect(
        self, request: UpstreamRequest, *, fresh: bool
    ) -> CommandGenerator[tuple[Server | None, str | None]]:
        origin = request.origin
        address, tls = (origin.host, origin.port), origin.scheme == "https"
        via = self._engine.upstream_proxy(origin)
        by_socket, credential = request.frame is not None, credential_digest(request)
        key = self._engine.pool.key(
            address, tls=tls, via=via, credential=credential, by_socket=by_socket
        )
        if not fresh and (server := self._layer.idle_connection(key)):
            return server, None
        wanted = GetPooledConnection(address, tls, via, key=key)
        deadline = ConnectDeadline(self.request_side.limits.connect_seconds)
        yield deadline
        reply = yield wanted
        self._layer.forget_wakeup(deadline)
        return cast("tuple[Server | None, str | None]", reply)

    def _relay(self, step: Relay) -> CommandGenerator[None]:
        self.response_side.translator = step.translator
        self.response_side.passes_through = getattr(step.translator, "keeps_bytes", False)
        if (yield from self._open_answer(step.head)):
            self.state.on_upstream(UpstreamEvent.RELAY)
            yield from self.response_side.send_opening(step.opening)
            yield from self.await_end()

    def _stream_local(self, step: StreamLocal) -> CommandGenerator[None]:
        yield from self.attempt.release()
        self.response_side.translator = step.translator
        if not (yield from self._open_answer(step.head)):
            return
        self.state.on_upstream(UpstreamEvent.START_LOCAL)
        if step.captured_input:
            self.response_side.recorder.program_asked(step.captured_input, self.flow)
        yield from self.response_side.wake_when_due()
        self.response_side.source = self._engine.local_source(self)
        self.response_side.source.start(step.source)

    def _prepare(self, step: Prepare) -> CommandGenerator[None]:
        yield from self.attempt.release()
        # no timer of an earlier attempt is due meanwhile
        yield from self.response_side.stop()
        self.attempt.prepare(step)
        self.response_side.source = self._engine.local_source(self)
        self.response_side.source.start(lambda _: step.work())

    def _prepared(self, step: Prepare) -> CommandGenerator[None]:
        self.response_side.source = None
        yield from self.attempt.release()
        yield from self._follow(PlanEvent.START, step.then())

    def _open_answer(self, head: Head) -> CommandGenerator[bool]:
        """Write the head of a streamed answer. Return False if the turn ended in the hook."""
        yield from self.response_side.announce(head)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return False
        yield from self.response_side.open()
        return True

    # Responses of upstreams -------------------------------------------------------------------------------

    def _on_response(self, event: events.Event) -> CommandGenerator[None]:
        match self.state.upstream:
            case UpstreamState.RELAYING:
                return self._on_relayed(event)
            case UpstreamState.COLLECTING:
                return self._on_collected(event)
            case UpstreamState.AWAITING_HEAD if isinstance(event, ResponseHeaders):
                return self._on_head(event.response)
        return nothing()

    def _on_head(self, response: http.Response) -> CommandGenerator[None]:
        self.response_side.clock.upstream_active()
        if response.status_code < HTTPStatus.OK or not has_valid_headers(response):
            detail = "its response head is not usable"
            return self._give_up(Fault(FaultKind.PROTOCOL, detail, self.attempt.origin))
        fields = tuple(response.headers.fields)
        head = Head(response.status_code, fields, self.attempt.seconds)
        self.response_side.recorder.head(head, self.flow)
        if head.status == HTTPStatus.REQUEST_TIMEOUT and self._is_for_idle_connection(response):
            return self._on_stale_connection("a 408 for the idle connection came")
        self.attempt.receive_head(head)
        return self._follow(PlanEvent.ON_HEAD, self.plan.on_head(head))

    def _on_collected(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body of a response that has to be explained; cut it at the limit.

        Its bytes are no sign of life: the stall limit, counted from the head, is what it has in all.
        """
        if isinstance(event, ResponseData):
            self.attempt.keep(event.data)
            self.response_side.recorder.upstream_active(event.data)
        is_complete = isinstance(event, ResponseEndOfMessage)
        if not (is_complete or self.attempt.is_full):
            return
        assert self.attempt.head is not None  # noqa: S101  collecting begins with a head
        mask = self.response_side.mask.current
        head = self.attempt.head
        collected = self.attempt.take_body()
        headers, body = mask.message(head.headers, collected[: self.attempt.body_limit])
        step = self.plan.on_body(replace(head, headers=headers), body)
        self.state.require(PlanEvent.ON_BODY, step)
        if isinstance(step, Relay):
            step = replace(step, opening=step.opening + step.translator.feed(collected))
        if is_complete and not isinstance(step, Send):
            # its connection can serve the next turn; for an attempt it is not free until this event is over
            self.attempt.end()
        yield from self._carry_out(step)

    def relay_at_once(self, attempt_id: int, data: bytes) -> bytes | None:
        """Return what the client gets for one read. None: the read has to come as an event."""
        if self.state.upstream is not UpstreamState.RELAYING or not self.attempt.is_current(
            attempt_id
        ):
            return None
        try:
            return self.response_side.feed(data)
        except Exception as error:  # noqa: BLE001  raised again inside the boundary, by the event that follows
            self.response_side.relay_error = error
            return b""

    @property
    def needs_event(self) -> bool:
        """Whether what was relayed at once leads to more than bytes."""
        side = self.response_side
        if side.relay_error or side.clock.is_earlier:
            return True
        return self.is_terminal_sent and not side.clock.lingers

    def _on_relayed(self, event: events.Event) -> CommandGenerator[None]:
        if error := self.response_side.relay_error:
            raise error
        if isinstance(event, ResponseData):
            return self._translate(event.data)
        if isinstance(event, ResponseEndOfMessage):
            self.attempt.end()
            return self.finish()
        return nothing()

    def _translate(self, data: bytes) -> CommandGenerator[None]:
        yield from self.response_side.send_body(self.response_side.feed(data))
        yield from self.await_end()

    def _on_upstream_error(self, event: ResponseProtocolError) -> CommandGenerator[None]:
        is_unread = event.message == NOTHING_RECEIVED and self.attempt.is_within_round_trip
        # without a request the attempt has a head: the backend worked on the turn
        if (is_unread and self.attempt.request) or event.message == SOCKET_OVER:
            yield from self._on_stale_connection("its idle connection had ended")
            return
        fault = response_fault(event.message, self.attempt)
        if self.attempt.reused and fault.kind is FaultKind.RESET:
            self._engine.pool.drop_origin(self.attempt.address)
        self.attempt.end()
        yield from self._attempt_failed(fault)

    def _is_for_idle_connection(self, response: http.Response) -> bool:
        """Return whether a 408 was sent before the request arrived. Its connection ends (RFC 9110, 15.5.9)."""
        connection = self.attempt.connection
        if not (self.attempt.is_within_round_trip and connection):
            return False
        framed = "content-length" in response.headers or "transfer-encoding" in response.headers
        has_more = self._engine.has_input(self.context.client, connection)
        return says_close(response) or not framed or has_more

    def _on_stale_connection(self, detail: str) -> CommandGenerator[None]:
        # the other idle connections were left alone for as long, and may be dead too
        self._engine.pool.drop_origin(self.attempt.address)
        request, fault = self.attempt.request, Fault(FaultKind.RESET, detail, self.attempt.origin)
        assert request is not None  # noqa: S101  no response head was taken
        return self._send_anew(request, fault)

    def _attempt_failed(self, fault: Fault) -> CommandGenerator[None]:
        """Try what the plan has left, unless the client was given a part of this answer."""
        self.response_side.recorder.attempt_ended(fault)
        if self.response_side.is_begun:
            yield from self.fail(fault)
        else:
            yield from self._follow(PlanEvent.ON_FAULT, self.plan.on_fault(fault))

    # Time -------------------------------------------------------------------------------------------------

    def _on_wakeup(self, event: events.Wakeup) -> CommandGenerator[None]:
        if not self.response_side.is_wakeup(event.command):
            return
        if delayed := self.attempt.delayed:
            yield from self.attempt.release()
            step = delayed.decide() if delayed.decide else Send(delayed.request)
            yield from self._follow(PlanEvent.START, step)
            return
        self.note_unsent()
        limits, clock = self.request_side.limits, self.response_side.clock
        match clock.due():
            case Due.STALL:
                yield from self._stalled(f"no byte for {clock.stall_seconds:g} s")
                return
            case Due.NO_ANSWER:
                seconds = f"{limits.answer_seconds:g} s (`answer_seconds`)"
                yield from self._stalled(f"no event of its answer for {seconds}")
                return
            case Due.UNREAD:
                detail = f"nothing for {limits.unread_seconds:g} s"
                return (yield from self.fail(Fault(FaultKind.UNREAD, detail)))
            case Due.LINGER:
                return (yield from self.finish())
            case Due.HEARTBEAT:
                yield from self.response_side.send_heartbeat()
        yield from self.response_side.wake_when_due()

    def _stalled(self, detail: str) -> CommandGenerator[None]:
        return self._give_up(Fault(FaultKind.STALL, detail, self.attempt.origin))

    def _give_up(self, fault: Fault) -> CommandGenerator[None]:
        """Abandon the attempt under way after this fault."""
        yield from self.attempt.release()
        yield from self._attempt_failed(fault)
