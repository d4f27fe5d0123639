"""One turn inside mitmproxy: asks the turn's plan for steps and carries them out until the client has its answer.

Invariants: exactly one terminal event or one HTTP error reaches the client; whatever ends a turn also ends its
upstream work; an exception anywhere in here becomes a typed answer with an id (the first of the two borders).
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpErrorHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
    SendHttp,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
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

from addons.core.errors import Problem, problem_of, told
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
    Translator,
)
from addons.proxy.engine.clock import Due, SilenceClock
from addons.proxy.engine.downstream import HEARTBEAT, Downstream, http_response
from addons.proxy.engine.faults import connect_fault, response_fault
from addons.proxy.engine.intake import IntakeStream, has_valid_headers
from addons.proxy.engine.messages import ConnectDeadline, Injected, InjectedEvent, Signal
from addons.proxy.engine.synthetic import SyntheticSource
from addons.proxy.engine.upstream import Upstream

if TYPE_CHECKING:
    from addons.proxy.engine.engine import Engine
    from addons.proxy.engine.layer import ShimHttpLayer

_CLIENT_EVENTS = (RequestHeaders, RequestData, RequestTrailers, RequestEndOfMessage)
_UPSTREAM_EVENTS = (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage)


class TurnStream(IntakeStream):
    """The stream of one turn."""

    plan: Plan
    translator: Translator

    def __init__(
        self, context: Context, stream_id: int, engine: Engine, layer: ShimHttpLayer
    ) -> None:
        super().__init__(context, stream_id, engine.limits)
        self._engine = engine
        self._layer = layer
        self.upstream = Upstream(layer)
        self.downstream = Downstream()
        self._clock = SilenceClock(self.limits, engine.now)
        self._wake: commands.RequestWakeup | None = None
        self._delayed: Send | None = None
        self._head: Head | None = None
        self._collected = bytearray()
        self._collect_limit = 0
        self._source: SyntheticSource | None = None
        self.connect_timed_out = False

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

    def turn_begins(self) -> None:
        """Make the flow reachable for kills, injections and the hooks of the addon."""
        self._engine.register(self)
        flow, me = self.flow, weakref.ref(self)

        def kill() -> None:
            http.HTTPFlow.kill(flow)
            if stream := me():
                stream.kill_requested()

        # mitmproxy's own kill only sets fields, which nobody looks at while a turn runs or is intercepted
        flow.__dict__["kill"] = kill

    def kill_requested(self) -> None:
        """Wake a turn that is held in mitmweb, and one that runs."""
        if self.flow._resume_event:  # noqa: SLF001  what flow.resume() itself sets
            self.flow._resume_event.set()  # noqa: SLF001
        self._engine.inject(self, Injected(self.stream_id, Signal.KILL))

    @property
    def killed(self) -> bool:
        """Whether the flow was killed in mitmproxy."""
        return self.flow.error is not None and self.flow.error.msg == Error.KILLED_MESSAGE

    @property
    def waits_for(self) -> object:
        """The blocking command that this stream waits for, if any."""
        return self._paused.command if self._paused else None

    # Steps ------------------------------------------------------------------------------------------------

    def follow_plan(self) -> CommandGenerator[None]:
        """The request is whole: ask for a plan, unless a hook has answered already."""
        if self.flow.response:
            yield from self._answer_of_a_hook(self.flow.response)
            return
        self.plan = self._engine.front.plan(self.client_request())
        yield from self._follow(self.plan.start())

    def _follow(self, step: Step) -> CommandGenerator[None]:
        match step:
            case Send():
                yield from self._send(step)
            case Relay():
                yield from self._relay(step.head, step.translator)
            case Collect():
                self._collect_limit = step.limit
                self.server_state = self.state_collect
            case Answer():
                yield from self._answer(step.reply)
            case Synthesize():
                yield from self._synthesize(step)

    def _answer_of_a_hook(self, response: http.Response) -> CommandGenerator[None]:
        head = Head(response.status_code, tuple(response.headers.fields))
        yield from self._answer(Reply(head, response.raw_content or b""))

    # Attempts ---------------------------------------------------------------------------------------------

    def _send(self, step: Send) -> CommandGenerator[None]:
        yield from self.upstream.give_up("the next attempt begins")
        self._clock.heard()
        if step.delay:
            self._delayed = step
            self._wake = commands.RequestWakeup(step.delay)
            yield self._wake
            return
        origin = step.wire.origin
        connection, error = yield from self._connect(step)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return
        if connection is None:
            fault = connect_fault(
                error or "", origin, timed_out=self.connect_timed_out, limits=self.limits
            )
            yield from self._follow(self.plan.on_fault(fault))
            return
        self.context.server = self.flow.server_conn = connection
        yield from self.upstream.send(step.wire, connection, self)
        self.server_state = self.state_wait_for_response_headers
        self._clock.heard()
        yield from self._set_wakeup()

    def _connect(self, step: Send) -> CommandGenerator[tuple[Connection | None, str | None]]:
        origin = step.wire.origin
        self.connect_timed_out = False
        deadline = ConnectDeadline(self.limits.connect_seconds)
        yield deadline
        reply = yield GetHttpConnection(
            (origin.host, origin.port),
            origin.scheme == "https",
            self._engine.upstream_proxy(origin),
            "tcp",
        )
        self._layer.forget_wakeup(deadline)
        return reply

    def _on_upstream_error(self, event: ResponseProtocolError) -> CommandGenerator[None]:
        fault = response_fault(event.message, self.upstream)
        self.upstream.ended()
        if self.downstream.started:
            yield from self.fail(fault)
        else:
            yield from self._follow(self.plan.on_fault(fault))

    # Answers of upstreams ---------------------------------------------------------------------------------

    def state_wait_for_response_headers(self, event: ResponseHeaders) -> CommandGenerator[None]:
        """The head is here: the plan decides."""
        self._clock.heard()
        self.upstream.head_seen = True
        response = event.response
        if response.status_code == http.status_codes.SWITCHING or not has_valid_headers(response):
            yield from self._on_unusable_head()
            return
        self._head = Head(response.status_code, tuple(response.headers.fields))
        yield from self._follow(self.plan.on_head(self._head))

    def _on_unusable_head(self) -> CommandGenerator[None]:
        fault = Fault(FaultKind.PROTOCOL, "its response head is not usable", self.upstream.origin)
        yield from self.upstream.give_up("unusable head")
        yield from self._follow(self.plan.on_fault(fault))

    def state_collect(self, event: events.Event) -> CommandGenerator[None]:
        """Keep the body of an answer that has to be explained; cut it at the limit."""
        self._clock.heard()
        if isinstance(event, ResponseData):
            self._collected += event.data
        full = len(self._collected) >= self._collect_limit
        if not full and not isinstance(event, ResponseEndOfMessage):
            return
        if isinstance(event, ResponseEndOfMessage):
            self.upstream.ended()
        else:
            yield from self.upstream.give_up("enough of it was read")
        body = bytes(self._collected[: self._collect_limit])
        self._collected.clear()
        assert self._head is not None  # noqa: S101  collecting begins with a head
        yield from self._follow(self.plan.on_body(self._head, body))

    def _relay(self, head: Head, translator: Translator) -> CommandGenerator[None]:
        self.translator = translator
        if (yield from self._open(head)):
            self.server_state = self.state_relay

    def _open(self, head: Head) -> CommandGenerator[bool]:
        response = self.flow.response = self.downstream.open(head, self.flow.request)
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return False
        self.downstream.started = True
        yield SendHttp(ResponseHeaders(self.stream_id, response), self.context.client)
        return True

    def state_relay(self, event: events.Event) -> CommandGenerator[None]:
        """Stream what the upstream says through the translator."""
        if isinstance(event, ResponseData):
            yield from self._give(self.translator.feed(event.data))
        elif isinstance(event, ResponseEndOfMessage):
            self.upstream.ended()
            yield from self._finish()

    def _give(self, data: bytes) -> CommandGenerator[None]:
        if not data:
            self._clock.heard()
            return
        self._clock.relayed()
        self.downstream.border.feed(data)
        yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    # Synthetic origins ------------------------------------------------------------------------------------

    def _synthesize(self, step: Synthesize) -> CommandGenerator[None]:
        self.translator = step.translator
        if not (yield from self._open(step.head)):
            return
        self._source = self._engine.synthetic_source(self)
        self._clock.relayed()
        yield from self._set_wakeup()
        self._source.start(step.origin)

    def _on_injected(self, message: Injected) -> CommandGenerator[None]:
        match message.signal:
            case Signal.DATA:
                yield from self._give(self.translator.feed(message.data))
            case Signal.END:
                yield from self._finish()
            case Signal.KILL:
                yield from self.fail(Fault(FaultKind.KILLED, "killed in mitmproxy"))
            case Signal.FAULT:
                fault = message.fault or Fault(FaultKind.INTERNAL, "a fault without a name")
                yield from self.fail(fault)

    # Time -------------------------------------------------------------------------------------------------

    def _set_wakeup(self) -> CommandGenerator[None]:
        self._wake = commands.RequestWakeup(self._clock.delay(terminal_seen=self._terminal))
        yield self._wake

    @property
    def _terminal(self) -> bool:
        return self.downstream.started and self.translator.terminal

    def _on_wakeup(self, event: events.Wakeup) -> CommandGenerator[None]:
        if event.command is not self._wake:
            return
        if delayed := self._delayed:
            self._delayed = None
            yield from self._send(Send(delayed.wire))
            return
        if self._engine.unsent_bytes(self):
            # the client is slow: the upstream only looks silent because we do not read it
            self._clock.heard()
        yield from self._do_what_is_due()
        if not self.ended:
            yield from self._set_wakeup()

    def _do_what_is_due(self) -> CommandGenerator[None]:
        match self._clock.due(terminal_seen=self._terminal):
            case Due.HEARTBEAT if self.downstream.takes_heartbeat:
                self._clock.beat()
                yield SendHttp(ResponseData(self.stream_id, HEARTBEAT), self.context.client)
            case Due.HEARTBEAT:
                self._clock.beat()
            case Due.STALL:
                yield from self._stalled()
            case Due.LINGER:
                yield from self._finish()
            case Due.NOTHING:
                pass

    def _stalled(self) -> CommandGenerator[None]:
        detail = f"no byte for {self.limits.stall_seconds:g} s"
        fault = Fault(FaultKind.STALL, detail, self.upstream.origin)
        if self.downstream.started:
            yield from self.fail(fault)
        else:
            yield from self.upstream.give_up("stalled")
            yield from self._follow(self.plan.on_fault(fault))

    # Ends -------------------------------------------------------------------------------------------------

    def _finish(self) -> CommandGenerator[None]:
        """The upstream or the origin is done; the translator adds what is missing."""
        yield from self._end_stream(self.translator.finish())
        yield from self._close_flow(HttpResponseHook(self.flow))

    def fail(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn now: an answer before the head, a closing event in an event stream, else a cut."""
        if self.ended:
            return
        problem = problem_of(fault)
        if not self.downstream.started:
            reply = told(problem, to_codex=self.client_request().is_codex)
            yield from self._write_whole(http_response(reply))
        elif self.downstream.is_sse:
            yield from self._end_stream(self.translator.fail(fault))
        else:
            yield from self._cut(fault)
        yield from self._close_flow(self._error_hook(problem.message))

    def refuse(self, problem: Problem) -> CommandGenerator[None]:
        """End the turn with this answer and close the connection, before or after the request is whole."""
        if self.ended:
            return
        yield from self._write_whole(http_response(problem.reply(), close=True))
        yield from self._close_flow(HttpResponseHook(self.flow))

    def client_gone(self, event: RequestProtocolError) -> CommandGenerator[None]:  # noqa: ARG002
        """End the turn without an answer. The event's own text may quote raw bytes."""
        self.ended = True
        yield from self._stop_work("the client left")
        self.client_state = self.state_done
        yield from self._close_flow(self._error_hook("Client disconnected."))

    def _answer(self, reply: Reply) -> CommandGenerator[None]:
        yield from self._write_whole(http_response(reply))
        yield from self._close_flow(HttpResponseHook(self.flow))

    def _write_whole(self, response: http.Response) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work("answered by codex-shim")
        self.flow.response = response
        self.downstream.started = True
        client, body = self.context.client, response.raw_content
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not body), client)
        if body and self.flow.request.method != "HEAD":
            yield SendHttp(ResponseData(self.stream_id, body), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)

    def _end_stream(self, closing: bytes) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work("the answer has ended")
        if self.downstream.is_sse and (data := self.downstream.separator() + closing):
            yield SendHttp(ResponseData(self.stream_id, data), self.context.client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def _cut(self, fault: Fault) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work("the answer was cut")
        cut = ResponseProtocolError(self.stream_id, fault.kind, ErrorCode.KILL)
        yield SendHttp(cut, self.context.client)

    def _stop_work(self, reason: str) -> CommandGenerator[None]:
        self._layer.forget_wakeup(self._wake)
        self._wake = self._delayed = None
        if self._source:
            self._source.cancel()
            self._source = None
        yield from self.upstream.give_up(reason)

    def _error_hook(self, text: str) -> HttpErrorHook:
        self.flow.error = self.flow.error or Error(text)
        return HttpErrorHook(self.flow)

    def _close_flow(self, hook: HttpResponseHook | HttpErrorHook) -> CommandGenerator[None]:
        """Everything was written: let the hooks see the flow, then leave the layer if the request is whole."""
        if self.flow.response:
            self.flow.response.timestamp_end = time.time()
        self.flow.live = False
        self.flow.__dict__.pop("kill", None)
        self._engine.forget(self)
        yield hook
        if self.client_state == self.state_done:
            yield from self.drop()

    def drop(self) -> CommandGenerator[None]:
        """Take the stream out of the layer."""
        yield DropStream(self.stream_id)
