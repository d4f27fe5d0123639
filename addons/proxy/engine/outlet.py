"""The answering half of a stream: what the client is given, and every way in which a turn ends.

Invariants: exactly one terminal event or one HTTP error reaches the client; whatever ends a turn also ends its
upstream work, its wake-ups and its place in the engine's books. Nothing in here decides what an upstream's answer
means.
"""

from __future__ import annotations

import time
import weakref

from mitmproxy import http
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from addons.core.errors import Problem, problem_of, told
from addons.core.turn import Fault, FaultKind, Head, Reply, Translator
from addons.proxy.engine.clock import SilenceClock
from addons.proxy.engine.downstream import HEARTBEAT, Downstream, http_response
from addons.proxy.engine.intake import IntakeStream
from addons.proxy.engine.messages import Injected, Signal
from addons.proxy.engine.recorder import Recorder
from addons.proxy.engine.seams import EngineOfTurns, LayerOfTurns
from addons.proxy.engine.synthetic import SyntheticSource
from addons.proxy.engine.upstream import Upstream

CLIENT_LEFT = "client_left"
KILLED = Fault(FaultKind.KILLED, "killed in mitmproxy")


class OutletStream(IntakeStream):
    """Answers one request. What to ask which upstream is up to the subclass."""

    translator: Translator | None = None

    def __init__(
        self, context: Context, stream_id: int, engine: EngineOfTurns, layer: LayerOfTurns
    ) -> None:
        super().__init__(context, stream_id, engine.limits)
        self._engine = engine
        self._layer = layer
        self.upstream = Upstream(layer)
        self.downstream = Downstream()
        self.clock = SilenceClock(self.limits, engine.now)
        self.recorder = Recorder(self.record, engine.capture_bytes, engine.now)
        self.source: SyntheticSource | None = None
        self._wakeup: commands.RequestWakeup | None = None
        self._doom: Fault | None = None
        self._keeps_body: bool = context.options.store_streamed_bodies

    # Reachable from outside -------------------------------------------------------------------------------

    def turn_begins(self) -> None:
        """Make the flow reachable for kills, injections and the hooks of the addon."""
        self._engine.register(self)
        flow, me = self.flow, weakref.ref(self)

        def kill() -> None:
            http.HTTPFlow.kill(flow)
            if stream := me():
                stream.end_soon(KILLED)

        # mitmproxy's own kill only sets fields, which nobody looks at while a turn runs or is intercepted
        flow.__dict__["kill"] = kill

    def end_soon(self, fault: Fault) -> None:
        """End the turn from outside, in whatever state: held in mitmweb, connecting, waiting, streaming."""
        self.condemn(fault)
        self.flow.intercepted = False
        if self.flow._resume_event:  # noqa: SLF001  what flow.resume() itself sets
            self.flow._resume_event.set()  # noqa: SLF001
        self._engine.inject(self, Injected(self.stream_id, Signal.FAULT, fault=fault))

    def condemn(self, fault: Fault) -> None:
        """Let nothing but this end begin from here on."""
        self._doom = self._doom or fault

    @property
    def doom(self) -> Fault | None:
        """What has to end the turn at the next chance, if anything."""
        if self._doom is None and self.flow.error and self.flow.error.msg == Error.KILLED_MESSAGE:
            return KILLED
        return self._doom

    # Giving -----------------------------------------------------------------------------------------------

    def open_answer(self, head: Head) -> CommandGenerator[bool]:
        """Give the client the head of a streamed answer. False when the turn ended in the hook."""
        response = self.flow.response = self.downstream.open(head, self.flow.request)
        yield HttpResponseHeadersHook(self.flow)
        if (yield from self.check_killed(True)):  # noqa: FBT003
            return False
        self.downstream.started = True
        self.clock.heard()
        self.clock.served()
        yield SendHttp(ResponseHeaders(self.stream_id, response), self.context.client)
        return True

    def give(self, data: bytes) -> CommandGenerator[None]:
        """Give the client what the translator made of one read, which may be nothing."""
        self.clock.heard()
        if not data:
            return
        self.gives(data)
        yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def gives(self, data: bytes) -> None:
        """Note what the client is given of the stream."""
        if self.downstream.completes_data_event(data):
            self.clock.served()
        self._note(data)

    def give_heartbeat(self) -> CommandGenerator[None]:
        """Show the client that the turn lives, where that is safe."""
        self.clock.served()
        if self.downstream.takes_heartbeat:
            yield from self._write(HEARTBEAT)

    def _note(self, data: bytes) -> None:
        self.recorder.wrote(data)
        # a stream of a page's own data may run for days
        if self._keeps_body and self.record.slug:
            self.response_body_buf += data

    def _write(self, data: bytes) -> CommandGenerator[None]:
        self._note(data)
        yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    # Wake-ups ---------------------------------------------------------------------------------------------

    def wake_after(self, seconds: float) -> CommandGenerator[None]:
        """Ask for one wake-up; the one asked for before no longer counts."""
        self._layer.forget_wakeup(self._wakeup)
        self._wakeup = commands.RequestWakeup(seconds)
        yield self._wakeup

    def wake_when_due(self) -> CommandGenerator[None]:
        """Ask to be woken when the clock's next thing can be due."""
        yield from self.wake_after(self.clock.delay())

    # Ends -------------------------------------------------------------------------------------------------

    def answer(self, reply: Reply) -> CommandGenerator[None]:
        """End the turn with a whole answer."""
        self.recorder.answered(reply)
        yield from self._write_whole(http_response(reply))
        yield from self._close_flow(HttpResponseHook(self.flow))

    def refuse(self, problem: Problem) -> CommandGenerator[None]:
        """End the turn with this answer and close the connection, before or after the request is whole."""
        if self.ended:
            return
        yield from self._write_whole(http_response(problem.reply(), close=True))
        yield from self._close_flow(HttpResponseHook(self.flow))

    def finish(self) -> CommandGenerator[None]:
        """The upstream or the origin is done; the translator adds what is missing."""
        closing = self.translator.finish() if self.translator else b""
        yield from self._end_stream(closing if self.downstream.takes_closing else b"")
        yield from self._close_flow(HttpResponseHook(self.flow))

    def fail(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn now: an answer before the head, a closing event in an event stream, else a cut."""
        if self.ended:
            return
        problem = problem_of(fault)
        self.record.ended = fault.kind
        self.recorder.attempt_ended(fault)
        if not self.downstream.started:
            reply = told(problem, to_codex=self.client_request().is_codex)
            self.recorder.answered(reply)
            yield from self._write_whole(http_response(reply))
        elif self.downstream.is_sse and self.translator:
            yield from self._end_stream(self.translator.fail(fault))
        else:
            yield from self._cut(fault)
        yield from self._close_flow(self._error_hook(problem.message))

    def client_gone(self, event: RequestProtocolError) -> CommandGenerator[None]:  # noqa: ARG002
        """End the turn without an answer. The event's own text may quote raw bytes."""
        self.ended = True
        self.record.ended = CLIENT_LEFT
        if self.translator and self.translator.terminal:
            # nothing but the end of its body is missing: the connection can serve the next client
            self.upstream.ended()
        yield from self._stop_work()
        self.client_state = self.state_done
        yield from self._close_flow(self._error_hook("Client disconnected."))

    def _write_whole(self, response: http.Response) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work()
        self.flow.response = response
        self.downstream.started = True
        client, body = self.context.client, response.raw_content
        yield SendHttp(ResponseHeaders(self.stream_id, response, end_stream=not body), client)
        if body and self.flow.request.method != "HEAD":
            yield SendHttp(ResponseData(self.stream_id, body), client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), client)

    def _end_stream(self, closing: bytes) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work()
        if closing:
            yield from self._write(self.downstream.separator() + closing)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)

    def _cut(self, fault: Fault) -> CommandGenerator[None]:
        self.ended = True
        yield from self._stop_work()
        cut = ResponseProtocolError(self.stream_id, fault.kind, ErrorCode.KILL)
        yield SendHttp(cut, self.context.client)

    def _stop_work(self) -> CommandGenerator[None]:
        self._layer.forget_wakeup(self._wakeup)
        self._wakeup = None
        if self.source:
            self.source.cancel()
            self.source = None
        yield from self.upstream.give_up()

    def leave(self) -> None:
        """Get out of every book: nothing outside reaches this turn from here on."""
        self.flow.live = False
        self.translator = None
        self.flow.__dict__.pop("kill", None)
        self._engine.forget(self)

    def _error_hook(self, text: str) -> HttpErrorHook:
        self.flow.error = self.flow.error or Error(text)
        return HttpErrorHook(self.flow)

    def _close_flow(self, hook: HttpResponseHook | HttpErrorHook) -> CommandGenerator[None]:
        """Everything was written: let the hooks see the flow, then leave the layer if the request is whole."""
        if response := self.flow.response:
            response.timestamp_end = time.time()
            if self.response_body_buf:
                response.data.content = bytes(self.response_body_buf)
        self.recorder.turn_ended(self.flow, self.translator)
        self.leave()
        yield hook
        if self.client_state == self.state_done:
            yield from self.drop()

    def drop(self) -> CommandGenerator[None]:
        """Take the stream out of the layer, and out of what would keep it, bodies and all, until a collection."""
        yield DropStream(self.stream_id)
        self.client_state = self.server_state = _is_gone
        self.context.layers.clear()


def _is_gone(_: events.Event) -> CommandGenerator[None]:
    """What a stream says that is out of the layer: nothing."""
    yield from ()
