"""One turn inside mitmproxy: asks the turn's plan for steps and carries them out until the client has its answer.

Invariants: an event counts only while the attempt that it belongs to is under way; an exception anywhere in here
becomes a typed answer with an id (the first of the two borders).
"""

from __future__ import annotations

from typing import cast

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import GetHttpConnection
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

from addons.core.credential import Origin
from addons.core.turn import (
    Answer,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Relay,
    Reply,
    Send,
    Step,
    Synthesize,
)
from addons.proxy.engine.clock import Due
from addons.proxy.engine.faults import connect_fault, response_fault
from addons.proxy.engine.intake import has_valid_headers
from addons.proxy.engine.messages import ConnectDeadline, Injected, InjectedEvent, Signal
from addons.proxy.engine.outlet import OutletStream

_CLIENT_EVENTS = (RequestHeaders, RequestData, RequestTrailers, RequestEndOfMessage)
_UPSTREAM_EVENTS = (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage)
_FIRST_FINAL_STATUS = 200


class PlanError(Exception):
    """A plan gave a step that cannot be carried out now. Always a bug of ours."""


class TurnStream(OutletStream):
    """The stream of one turn."""

    plan: Plan
    connect_timed_out = False
    _delayed: Send | None = None
    _head: Head | None = None
    _collected = b""
    _collect_limit = 0
    _lingers = False
    _broken: Exception | None = None

    # Events -----------------------------------------------------------------------------------------------

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        try:
            yield from self._on_event(event)
        except Exception as error:  # noqa: BLE001  border one: whatever fails in a turn is told to its client
            yield from self.fail(self._engine.internal_fault(error))

    def _on_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, _UPSTREAM_EVENTS):
            if self.upstream.hears(event.stream_id):
                yield from self.server_state(event)
        elif isinstance(event, events.Start):
            self.client_state = self.state_wait_for_request_headers
        elif self.ended:
            yield from self.drop_late(event)
        elif isinstance(event, _CLIENT_EVENTS):
            yield from self.client_state(event)
        else:
            yield from self._on_rare_event(event)

    def _on_rare_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            yield from self._on_wakeup(event)
        elif isinstance(event, InjectedEvent):
            yield from self._on_injected(event.message)
        elif isinstance(event, ResponseProtocolError):
            if self.upstream.hears(event.stream_id):
                yield from self._on_upstream_error(event)
        elif isinstance(event, RequestProtocolError):
            yield from self.client_gone(event)

    def _on_injected(self, message: Injected) -> CommandGenerator[None]:
        match message.signal:
            case Signal.DATA:
                self.recorder.heard(message.data)
                yield from self._translate(message.data)
                if self.translator and self.translator.terminal and not self.ended:
                    # Nothing follows it, as an upstream's last bytes may: what runs for the turn ends with it.
                    yield from self.finish()
            case Signal.END:
                yield from self.finish()
            case Signal.FAULT:
                fault = message.fault or Fault(FaultKind.INTERNAL, "a fault without a name")
                yield from self.fail(fault)

    def leave(self) -> None:
        """Get out of every book, and let go of what the turn was made of: it may be megabytes."""
        super().leave()
        self.__dict__.pop("plan", None)

    @property
    def waits_for(self) -> commands.Command | None:
        """The blocking command that this stream waits for, if any."""
        return self._paused.command if self._paused else None

    # Steps ------------------------------------------------------------------------------------------------

    def follow_plan(self) -> CommandGenerator[None]:
        """The request is whole: ask for a plan, unless a hook has answered already."""
        if self.flow.response:
            yield from self._answer_of_a_hook(self.flow.response)
            return
        self.recorder.turn_begins(self.flow)
        self.plan = self._engine.front.plan(self.client_request())
        yield from self._follow(self.plan.start())

    def _follow(self, step: Step) -> CommandGenerator[None]:
        if isinstance(step, Relay | Collect) and not self.upstream.busy:
            msg = f"{type(step).__name__} without an answer at hand"
            raise PlanError(msg)
        match step:
            case Send():
                yield from self._send(step)
            case Relay():
                yield from self._relay(step)
            case Collect():
                self._collected, self._collect_limit = b"", step.limit
                self.server_state = self.state_collect
            case Answer():
                yield from self.answer(step.reply)
            case Synthesize():
                yield from self._synthesize(step)

    def _answer_of_a_hook(self, response: http.Response) -> CommandGenerator[None]:
        head = Head(response.status_code, tuple(response.headers.fields))
        yield from self.answer(Reply(head, response.raw_content or b""))

    # Attempts ---------------------------------------------------------------------------------------------

    def _send(self, step: Send) -> CommandGenerator[None]:
        yield from self.upstream.give_up()
        if step.delay:
            self._delayed = step
            yield from self.wake_after(step.delay)
            return
        origin = step.wire.origin
        self.recorder.attempt_begins(step.wire, self.flow)
        connection, error = yield from self._connect(origin)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if connection is None:
            fault = connect_fault(
                error or "", origin, timed_out=self.connect_timed_out, limits=self.limits
            )
            self.recorder.attempt_ended(fault)
            yield from self._follow(self.plan.on_fault(fault))
            return
        self.context.server = self.flow.server_conn = connection
        yield from self.upstream.send(step.wire, connection, self)
        self.server_state = self.state_wait_for_response_headers
        self.clock.heard()
        yield from self.wake_when_due()

    def _connect(self, origin: Origin) -> CommandGenerator[tuple[Server | None, str | None]]:
        self.connect_timed_out = False
        wanted = GetHttpConnection(
            (origin.host, origin.port),
            origin.scheme == "https",
            self._engine.upstream_proxy(origin),
            "tcp",
        )
        deadline = None
        if not self._layer.is_connected(wanted):
            deadline = ConnectDeadline(self.limits.connect_seconds)
            yield deadline
        reply = yield wanted
        self._layer.forget_wakeup(deadline)
        return cast("tuple[Server | None, str | None]", reply)

    def _on_upstream_error(self, event: ResponseProtocolError) -> CommandGenerator[None]:
        fault = response_fault(event.message, self.upstream)
        self.upstream.ended()
        yield from self._attempt_failed(fault)

    def _attempt_failed(self, fault: Fault) -> CommandGenerator[None]:
        """Try what the plan has left, unless the client was given a part of this answer."""
        self.recorder.attempt_ended(fault)
        if self.downstream.started:
            yield from self.fail(fault)
        else:
            yield from self._follow(self.plan.on_fault(fault))

    # Answers of upstreams ---------------------------------------------------------------------------------

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> CommandGenerator[None]:
        """The head is here: the plan decides."""
        self.clock.heard()
        self.upstream.head_seen = True
        response = event.response
        if response.status_code < _FIRST_FINAL_STATUS or not has_valid_headers(response):
            detail = "its response head is not usable"
            fault = Fault(FaultKind.PROTOCOL, detail, self.upstream.origin)
            self.recorder.attempt_ended(fault)
            yield from self.upstream.give_up()
            yield from self._follow(self.plan.on_fault(fault))
            return
        self._head = Head(response.status_code, tuple(response.headers.fields))
        self.recorder.head(self._head, self.flow)
        yield from self._follow(self.plan.on_head(self._head))

    def state_collect(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body of an answer that has to be explained; cut it at the limit.

        Its bytes are no sign of life: the stall limit, counted from the head, is what it has in all.
        """
        if isinstance(event, ResponseData):
            self._collected += event.data
            self.recorder.heard(event.data)
        full = len(self._collected) >= self._collect_limit
        if not full and not isinstance(event, ResponseEndOfMessage):
            return
        body = self.upstream.without_secrets(self._collected[: self._collect_limit])
        self._collected = b""
        assert self._head is not None  # noqa: S101  collecting begins with a head
        step = self.plan.on_body(self._head, body)
        if isinstance(event, ResponseEndOfMessage) and not isinstance(step, Send):
            self.upstream.ended()
        else:
            # also before another attempt: its connection is not free for one until this event is over
            yield from self.upstream.give_up()
        yield from self._follow(step)

    def _relay(self, step: Relay) -> CommandGenerator[None]:
        self.translator = step.translator
        if (yield from self.open_answer(step.head)):
            self.server_state = self.state_relay
            if step.opening:
                yield from self.give(step.opening)

    def relayed_at_once(self, wire_id: int, data: bytes) -> bytes | None:
        """What the client is given of one read, for who writes it at once; None: it has to come as an event."""
        if (
            self.server_state != self.state_relay
            or self._paused
            or self.ended
            or not self.upstream.hears(wire_id)
        ):
            return None
        self.recorder.heard(data)
        self.clock.heard()
        try:
            written = self.translator.feed(data) if self.translator else data
        except Exception as error:  # noqa: BLE001  raised again inside the border, with the event that follows
            self._broken = error
            return b""
        if written:
            self.gives(written)
        return written

    @property
    def has_more_to_do(self) -> bool:
        """Whether what was relayed at once leads to more than bytes."""
        if self._broken:
            return True
        return bool(self.translator and self.translator.terminal and not self._lingers)

    def state_relay(self, event: events.Event) -> CommandGenerator[None]:
        """Stream what the upstream says through the translator."""
        if isinstance(event, ResponseData):
            if self._broken:
                raise self._broken
            self.recorder.heard(event.data)
            yield from self._translate(event.data)
        elif isinstance(event, ResponseEndOfMessage):
            self.upstream.ended()
            yield from self.finish()

    def _translate(self, data: bytes) -> CommandGenerator[None]:
        assert self.translator  # noqa: S101  the answer was opened with one
        yield from self.give(self.translator.feed(data))
        if self.translator.terminal and not self._lingers:
            self._lingers = True
            self.clock.terminal_seen()
            yield from self.wake_when_due()

    # Synthetic origins ------------------------------------------------------------------------------------

    def _synthesize(self, step: Synthesize) -> CommandGenerator[None]:
        self.translator = step.translator
        if not (yield from self.open_answer(step.head)):
            return
        if step.asked:
            self.recorder.program_asked(step.asked, self.flow)
        yield from self.wake_when_due()
        self.source = self._engine.synthetic_source(self)
        self.source.start(step.origin)

    # Time -------------------------------------------------------------------------------------------------

    def _on_wakeup(self, event: events.Wakeup) -> CommandGenerator[None]:
        if event.command is not self._wakeup:
            return
        if delayed := self._delayed:
            self._delayed = None
            yield from self._send(Send(delayed.wire))
            return
        if self._engine.unsent_bytes(self):
            # the client is slow: the upstream only looks silent because we do not read it
            self.clock.heard()
            self.clock.served()
        yield from self._do_what_is_due()

    def _do_what_is_due(self) -> CommandGenerator[None]:
        match self.clock.due():
            case Due.STALL:
                yield from self._stalled()
                return
            case Due.LINGER:
                yield from self.finish()
                return
            case Due.HEARTBEAT:
                yield from self.give_heartbeat()
            case Due.NOTHING:
                pass
        yield from self.wake_when_due()

    def _stalled(self) -> CommandGenerator[None]:
        detail = f"no byte for {self.limits.stall_seconds:g} s"
        fault = Fault(FaultKind.STALL, detail, self.upstream.origin)
        yield from self.upstream.give_up()
        yield from self._attempt_failed(fault)
