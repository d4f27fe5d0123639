"""The end of one turn, and the first of two error boundaries.

A turn that ends has to stop its timers, release its upstream, write its last bytes, complete its record, be
unregistered, run its last hook and leave the layer. These stages are a queue. Each is taken off before it runs, so an
exception in one stage neither repeats that stage nor skips another: the error boundary runs what is left.

Never does: ask a plan for a step. Invariant: each turn has one end; a turn whose end has begun is unregistered, its upstream
released and its client answered or cut off, whatever raises on the way.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from mitmproxy import http
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook

from addons.core.errors import Problem, error_reply, problem_of
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import EndsWithTurn, Fault, FaultKind, Plan, Reply
from addons.proxy.engine.attempt import Attempt
from addons.proxy.engine.injected import Injected, Signal
from addons.proxy.engine.interfaces import LayerHost, TurnHost
from addons.proxy.engine.local_answer import http_response
from addons.proxy.engine.mitmproxy_patches.http1_connections import Flush
from addons.proxy.engine.request_side import RequestStream
from addons.proxy.engine.response_side import ResponseSide
from addons.proxy.engine.states import ClientEvent, ClientState
from addons.proxy.engine.timers import Count

CLIENT_LEFT = "client_left"
KILLED = Fault(FaultKind.KILLED, "killed in mitmproxy")

MAX_ROUNDS = 12
"""More than a turn's end has stages."""

Stage = Callable[[], Iterable[commands.Command]]
"""One part of a turn's end."""


def _flush() -> Iterable[commands.Command]:
    return (Flush(),)


class EndStages:
    """What is left to do of one turn's end."""

    __slots__ = ("_stages",)

    def __init__(self) -> None:
        self._stages: deque[Stage] = deque()

    def add(self, *stages: Stage) -> None:
        """Plan these stages, in order, behind the others."""
        self._stages.extend(stages)

    def put_first(self, stage: Stage) -> None:
        """Run this stage before what is left."""
        self._stages.appendleft(stage)

    def run(self) -> CommandGenerator[None]:
        """Run what is left. Raises what a stage raises; the next call goes on with the stage after it."""
        stages = self._stages
        while stages:
            yield from stages.popleft()()


class EndingStream(RequestStream):
    """A stream that ends once. What it does until then is up to the subclass."""

    plan: Plan
    _layer: LayerHost

    def __init__(
        self, context: Context, stream_id: int, engine: TurnHost, layer: LayerHost
    ) -> None:
        super().__init__(context, stream_id, engine.limits)
        self._engine = engine
        self._layer = layer
        self.attempt = Attempt(layer, self.state, engine.now)
        self.response_side = ResponseSide(stream_id, context.client, engine, layer, self.state)
        self._end_stages = EndStages()
        self._termination: Fault | None = None

    def forget_wakeup(self, wakeup: commands.RequestWakeup) -> None:
        """Cancel a wake-up that nothing waits for."""
        self._layer.forget_wakeup(wakeup)

    @property
    def record(self) -> TurnRecord:
        """What is noted of this turn."""
        return self.response_side.record

    def _on_event(self, event: events.Event) -> CommandGenerator[None]:
        """Do what an event leads to. May raise anything."""
        raise NotImplementedError

    @property
    def is_terminal_sent(self) -> bool:
        """Whether the client was given its terminal event."""
        translator = self.response_side.translator
        return translator is not None and translator.terminal

    def await_end(self) -> CommandGenerator[None]:
        """Wait for less long if the end of the upstream's body is all that is missing."""
        clock = self.response_side.clock
        if self.is_terminal_sent and not clock.lingers:
            clock.terminal_seen()
        elif not clock.is_earlier:
            return
        yield from self.response_side.wake_when_due()

    # Error boundary ---------------------------------------------------------------------------------------

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        try:
            yield from self._on_event(event)
        except Exception as error:  # noqa: BLE001  the first error boundary
            yield from self._recover(error)

    def _recover(self, error: Exception) -> CommandGenerator[None]:
        """End the turn after an exception, in whatever state. Each round uses up a stage.

        Raises the last exception if that does not suffice; the layer's error boundary closes the connection then.
        """
        for _ in range(MAX_ROUNDS):
            fault = self._engine.internal_fault(error)
            try:
                yield from self._terminate(fault)
            except Exception as another:  # noqa: BLE001  still the first error boundary
                error = another
                if not self.state.is_ending:
                    self._begin_end(tuple, self._error_hook(problem_of(fault).message))
            else:
                return
        raise error

    def _terminate(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn with a typed answer, or complete an end that broke off."""
        if not self.state.is_ending:
            yield from self.fail(fault)
            return
        if self.state.client is ClientState.CLOSING:
            # once: when the cut raises as well, only what writes nothing is left
            self.state.on_client(ClientEvent.END_WRITTEN)
            self._end_stages.put_first(lambda: self.response_side.write_cut(fault.kind))
        yield from self._end_stages.run()

    def abandon_wait(self) -> Iterable[events.Event]:
        """Drop the coroutine that waits for a hook or a connection. Return the events that were queued behind it."""
        queued = tuple(self._paused_event_queue)
        self._paused_event_queue.clear()
        if paused := self._paused:
            self._paused = None
            paused.generator.close()
            self._resume_flow()
        return queued

    @property
    def waits_for(self) -> commands.Command | None:
        """The blocking command that this stream waits for, if any."""
        return self._paused.command if self._paused else None

    # Reachable from outside -------------------------------------------------------------------------------

    def turn_begins(self) -> None:
        """Make the flow reachable for kills, injections and the hooks of the addon."""
        self.response_side.begin(self.flow, keeps_body=self._engine.keeps_bodies)
        self.response_side.mask.add(self.request_side.credentials.values())
        self._engine.register(self)
        flow, this = self.flow, weakref.ref(self)

        def kill() -> None:
            http.HTTPFlow.kill(flow)
            if stream := this():
                stream.end_soon(KILLED)

        # mitmproxy's own kill only sets fields, which nothing reads while a turn runs or is intercepted
        flow.__dict__["kill"] = kill

    async def drained(self) -> None:
        """Wait while much of the answer is held back by the client's window."""
        if windows := self._layer.windows:
            await windows.drained(self.stream_id)

    def note_unsent(self) -> None:
        """Note whether the client is slow: the upstream then only looks silent, because it is not read."""
        clock, unsent = self.response_side.clock, self._engine.unsent_bytes(self)
        windows = self._layer.windows
        if windows and (held_back := windows.held_back(self.stream_id)):
            clock.client_waits(self.record.bytes_out - held_back, Count.WINDOW)
        elif not unsent:
            clock.client_reads()
        elif (accepted := self._engine.accepted_bytes(self)) is not None:
            clock.client_waits(accepted, Count.SOCKET)
        else:
            written = windows.written if windows else self.record.bytes_out
            clock.client_waits(written - unsent, Count.BUFFER)

    def end_soon(self, fault: Fault) -> None:
        """End the turn from outside, in whatever state: held in mitmweb, connecting, waiting, streaming."""
        self.mark_for_termination(fault)
        self._resume_flow()
        self._engine.inject(self, Injected(self.stream_id, Signal.FAULT, fault=fault))

    def _resume_flow(self) -> None:
        self.flow.intercepted = False
        if self.flow._resume_event:  # noqa: SLF001  what flow.resume() itself sets
            self.flow._resume_event.set()  # noqa: SLF001

    def mark_for_termination(self, fault: Fault) -> None:
        """Let nothing but this end begin from here on."""
        self._termination = self._termination or fault

    @property
    def pending_fault(self) -> Fault | None:
        """What has to end the turn at the next chance, if anything."""
        if self._termination:
            return self._termination
        error = self.flow.error
        return KILLED if error and error.msg == Error.KILLED_MESSAGE else None

    # Ends -------------------------------------------------------------------------------------------------

    def answer(self, reply: Reply) -> CommandGenerator[None]:
        """End the turn with a whole answer."""
        if self.record.attempts:
            reply = self._masked(reply)
        self.response_side.recorder.answered(reply)
        return self._end_whole(http_response(reply), HttpResponseHook(self.flow))

    def _masked(self, reply: Reply) -> Reply:
        """Return an answer that quotes an upstream, without the secrets of this turn."""
        mask = self.response_side.mask.current
        headers, body = mask.message(reply.head.headers, reply.body)
        return Reply(replace(reply.head, headers=headers), body)

    def refuse(self, problem: Problem) -> CommandGenerator[None]:
        """End the turn with this answer and close the connection, before or after the request is whole."""
        if not self.state.is_ending:
            response = http_response(problem.reply(), close=True)
            yield from self._end_whole(response, HttpResponseHook(self.flow))

    def finish(self) -> CommandGenerator[None]:
        """End a streamed answer whose source is done. The translator adds what is missing."""
        translator = self.response_side.translator
        if self.is_terminal_sent:
            self.response_side.clock.terminal_seen()
        closing = translator.finish() if translator else b""
        closing = self.response_side.masked(closing)
        closing = closing if self.response_side.framing.takes_closing else b""
        return self._end(lambda: self.response_side.write_end(closing), HttpResponseHook(self.flow))

    def fail(self, fault: Fault) -> CommandGenerator[None]:
        """End the turn now: an answer before the head, a closing event in an event stream, else a cut."""
        if self.state.is_ending:
            return
        side, problem = self.response_side, problem_of(fault)
        if self.record.search:
            # Codex sends a search again after a 5xx, and this one may be paid already
            problem = replace(problem, status=HTTPStatus.FAILED_DEPENDENCY)
        self.record.ended = fault.kind
        side.recorder.attempt_ended(fault)
        if not side.is_begun:
            request = self.request_side.client_request(self.flow.request, self.record)
            reply = error_reply(problem, to_codex=request.expects_stream)
            side.recorder.answered(reply)
            yield from self._end_whole(http_response(reply), self._error_hook(problem.message))
            return
        is_stream = side.is_open and side.framing.is_sse and side.translator
        closing = side.masked(side.translator.fail(fault)) if is_stream and side.translator else b""
        # without a closing event: an exception may have come before the terminal event was written
        is_complete = side.clock.lingers or fault.kind is not FaultKind.INTERNAL
        if closing or (is_stream and is_complete):
            write: Stage = lambda: side.write_end(closing)  # noqa: E731
        else:
            write = lambda: side.write_cut(fault.kind)  # noqa: E731
        yield from self._end(write, self._error_hook(problem.message))

    def client_gone(self) -> CommandGenerator[None]:
        """End the turn without an answer. What mitmproxy says about the reason may quote raw bytes."""
        self.record.ended = CLIENT_LEFT
        self.request_side.is_whole = True
        if self.is_terminal_sent and self.context.client.alpn != b"h2":
            # only the end of its body is missing: the pool waits for it, and has the connection when its client is gone
            self.attempt.end()
        yield from self._end(tuple, self._error_hook("Client disconnected."))

    def _end_whole(
        self, response: http.Response, hook: commands.StartHook
    ) -> CommandGenerator[None]:
        return self._end(lambda: self.response_side.write_whole(response), hook)

    def _end(self, write: Stage, hook: commands.StartHook) -> CommandGenerator[None]:
        self._begin_end(write, hook)
        return self._end_stages.run()

    def _begin_end(self, write: Stage, hook: commands.StartHook) -> None:
        self.state.on_client(ClientEvent.END_BEGUN)
        side = self.response_side
        # what only this process needs comes behind the last byte, for which the client waits
        self._end_stages.add(side.stop, self.attempt.release, write, self._end_written, _flush)
        self._end_stages.add(side.complete_record, self.leave, lambda: (hook,), self.drop)

    def _end_written(self) -> Iterable[commands.Command]:
        if self.state.client is ClientState.CLOSING:
            self.state.on_client(ClientEvent.END_WRITTEN)
        return ()

    def leave(self) -> Iterable[commands.Command]:
        """Unregister this turn and release what it was made of, which may be megabytes."""
        self.response_side.stop()
        self.response_side.translator = None
        plan = self.__dict__.pop("plan", None)
        # `isinstance` of a protocol takes hundreds of steps when the answer is no
        if hasattr(type(plan), "ended"):
            cast("EndsWithTurn", plan).ended()
        self.flow.__dict__.pop("kill", None)
        self.flow.live = False
        self._engine.forget(self)
        return ()

    def _error_hook(self, text: str) -> HttpErrorHook:
        self.flow.error = self.flow.error or Error(text)
        return HttpErrorHook(self.flow)
