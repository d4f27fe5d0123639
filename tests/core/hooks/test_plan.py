"""The plan of a turn with hooks, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from addons.core.errors import JSON_HEADERS, SSE_HEADERS, Problem
from addons.core.hooks.chain import HookError
from addons.core.hooks.events import EventReader, Mask, Piece, written
from addons.core.hooks.plan import HookedPlan, end_of
from addons.core.hooks.values import End, Event
from addons.core.limits import MIB
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.routes import OneStepPlan
from addons.core.secrets import Origin
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Prepare,
    Relay,
    Reply,
    Send,
    Sink,
    Step,
    StreamLocal,
    Translator,
    UpstreamRequest,
)

CODEX = ((b"originator", b"codex_exec"),)
REQUEST = ClientRequest("POST", "/v1/responses", CODEX, b'{"model":"m"}')
SENT = UpstreamRequest(Origin("http", "127.0.0.1", 1), "POST", "/", (), b"")
STREAM = Head(200, SSE_HEADERS)
JSON = Head(200, (*JSON_HEADERS, (b"content-length", b"2")))
DONE = b'data: {"type":"response.completed","response":{"id":"r"}}\n\n'
NO = HookError(Problem(403, "invalid_prompt", "no"))


class Capitals(StreamObserver):
    """A translator around another one that writes in capitals."""

    def __init__(self, _: Translator, mask: Mask) -> None:
        super().__init__(MIB)
        self.reader = EventReader(MIB, mask)

    def rewrite(self, output: bytes) -> bytes:
        return written(upper(self.reader.feed(output)))


def upper(pieces: Sequence[Piece]) -> Sequence[Piece]:
    return [one.map_text(str.upper) if isinstance(one, Event) else one for one in pieces]


class Runner:
    """Hooks that write in capitals."""

    notes: Sequence[str] = ("h: model",)
    is_refused = False
    sees_events = True

    def __init__(self, *, thread: bool = False, error: HookError | None = None) -> None:
        self.thread = thread
        self.error = error
        self.ends: list[End] = []

    def needs_thread(self, request: ClientRequest) -> bool:
        assert request is REQUEST
        return self.thread

    def begin_now(self, request: ClientRequest) -> ClientRequest:
        if self.error:
            raise self.error
        return replace(request, body=b"EDITED")

    async def begin(self, request: ClientRequest) -> ClientRequest:
        return self.begin_now(request)

    async def on_pieces(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        if self.error:
            raise self.error
        return upper(pieces)

    def around(self, translator: Translator, mask: Mask) -> Capitals:
        return Capitals(translator, mask)

    def end(self, end: End) -> None:
        self.ends.append(end)


class Route:
    """A plan that gives one step for each question."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.was_ended = False

    def start(self) -> Step:
        return self.steps.pop(0)

    def on_head(self, _: Head) -> Step:
        return self.steps.pop(0)

    def on_body(self, *_: object) -> Step:
        return self.steps.pop(0)

    def on_fault(self, _: Fault) -> Step:
        return self.steps.pop(0)

    def ended(self) -> None:
        self.was_ended = True


class Same:
    """A translator that changes nothing."""

    terminal = False

    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""

    def fail(self, _: Fault) -> bytes:
        return b""


def hooked(plan: Plan, runner: Runner | None = None) -> HookedPlan:
    def make(request: ClientRequest) -> Plan:
        assert request.body == b"EDITED"
        return plan

    return HookedPlan(REQUEST, runner or Runner(), make, 100)


def after(step: Step) -> Any:
    """Return the step that follows a preparation."""
    assert isinstance(step, Prepare)

    async def work() -> None:
        await step.work()

    asyncio.run(work())
    return step.then()


def message_of(step: Step) -> bytes:
    assert isinstance(step, Answer), step
    return step.reply.body


def test_route_is_planned_from_the_edited_request() -> None:
    send = Send(SENT)
    assert hooked(Route(send)).start() is send
    in_thread = hooked(Route(send), Runner(thread=True))
    assert after(in_thread.start()) is send
    assert REQUEST.notes.hooks == ("h: model",)


def test_refused_turn_has_no_route() -> None:
    for thread in (False, True):
        runner = Runner(thread=thread, error=NO)
        plan = hooked(Route(), runner)
        step = plan.start()
        assert b'"message":"no"' in message_of(after(step) if thread else step)
        plan.ended()
        assert len(runner.ends) == 1


def test_streams_pass_the_hooks_with_their_opening() -> None:
    async def source(_: Sink) -> None:
        pass

    relay = Relay(STREAM, StreamObserver(MIB), b'data: {"type":"response.created","x":"a"}\n\n')
    plan = hooked(Route(Send(SENT), relay, StreamLocal(STREAM, source, StreamObserver(MIB))))
    plan.start()
    step = plan.on_head(STREAM)
    assert isinstance(step, Relay)
    assert b'"x":"A"' in step.opening
    assert isinstance(step.translator, Capitals)
    local = plan.on_fault(Fault(FaultKind.CUT, ""))
    assert isinstance(local, StreamLocal)
    assert isinstance(local.translator, Capitals)


def test_errors_and_answers_without_events_stay_as_they_are() -> None:
    relay = Relay(Head(500, SSE_HEADERS), StreamObserver(MIB))
    answer = Answer(Reply(Head(404, JSON_HEADERS), b"{}"))
    collect = Collect(7)
    plan = hooked(Route(Send(SENT), relay, collect, answer))
    plan.start()
    assert plan.on_head(STREAM) is relay
    assert plan.on_head(STREAM) is collect
    assert plan.on_body(STREAM, b"") is answer


def test_encoded_answer_is_refused() -> None:
    head = Head(200, (*SSE_HEADERS, (b"content-encoding", b"gzip")))
    plan = hooked(Route(Relay(head, StreamObserver(MIB))))
    assert b"it is encoded as gzip" in message_of(plan.start())


def test_whole_answers_are_collected_and_rewritten() -> None:
    async def source(sink: Sink) -> None:
        await sink.write(b'{"a":')
        await sink.write(b'"b"}')

    for last in (Relay(JSON, Same(), b'{"a":'), StreamLocal(JSON, source, Same()), Answer(Reply(JSON, b'{"a":"b"}'))):  # fmt: skip
        plan = hooked(Route(Send(SENT), last))
        plan.start()
        step = plan.on_head(JSON)
        if isinstance(last, Relay):
            assert isinstance(step, Collect)
            step = plan.on_body(JSON, b'"b"}')
        answer = after(step)
        assert answer.reply.body == b'{"a":"B"}'
        assert answer.reply.head.header(b"content-length") is None


def test_whole_stream_is_rewritten() -> None:
    plan = hooked(OneStepPlan(Answer(Reply(STREAM, b'data: {"type":"response.created","x":"a"}\n\n' + DONE))))  # fmt: skip
    assert b'"x":"A"' in after(plan.start()).reply.body


def test_whole_answer_that_cannot_be_shown_is_refused() -> None:
    for body, reason in ((b"{", b"not valid JSON"), (b"[]", b"not an object"), (b'"' + b"a" * 200, b"larger than 100 bytes")):  # fmt: skip
        plan = hooked(Route(Send(SENT), Relay(JSON, Same())))
        plan.start()
        assert isinstance(plan.on_head(JSON), Collect)
        step = plan.on_body(JSON, body)
        assert reason in message_of(after(step) if isinstance(step, Prepare) else step)


def test_steps_behind_a_pause_or_a_preparation_pass_the_hooks_as_well() -> None:
    async def work() -> None:
        pass

    relay = Relay(STREAM, StreamObserver(MIB))
    send = Send(SENT, 1.0, lambda: Answer(Reply(JSON, orjson.dumps({"a": "b"}))))
    delayed = hooked(Route(send)).start()
    assert isinstance(delayed, Send)
    assert delayed.decide
    assert after(delayed.decide()).reply.body == b'{"a":"B"}'
    prepared = after(hooked(Route(Prepare(work, lambda: relay))).start())
    assert isinstance(prepared.translator, Capitals)


def test_nothing_is_in_the_way_of_an_answer_that_no_hook_sees() -> None:
    runner = Runner()
    runner.sees_events = False
    relay = Relay(STREAM, StreamObserver(MIB))
    assert hooked(Route(relay), runner).start() is relay


def test_plan_of_the_route_and_the_hooks_are_told_the_end() -> None:
    runner, route = Runner(), Route(Send(SENT))
    plan = hooked(route, runner)
    plan.start()
    plan.ended()
    assert route.was_ended
    assert [end.outcome for end in runner.ends] == ["failed"]


def test_end_is_that_of_the_record() -> None:
    attempt = AttemptRecord("http://up", "", "POST", 0.0)
    record = TurnRecord(model="big", route="row", status=200, seconds=2.0, ttft=0.5, attempts=[attempt])  # fmt: skip
    end = end_of(replace(REQUEST, notes=record), is_refused=False)
    seen = (end.outcome, end.model, end.provider, end.attempts, end.seconds, end.first_token_seconds)  # fmt: skip
    assert seen == ("complete", "big", "row", 1, 2.0, 0.5)
    for terminal, ended, is_refused, expected in (
        ("response.incomplete", "", False, "incomplete"),
        ("response.failed", "", False, "failed"),
        ("response.failed", "", True, "refused"),
        ("response.failed", "killed", True, "killed"),
    ):
        record.terminal, record.ended = terminal, ended
        assert end_of(replace(REQUEST, notes=record), is_refused=is_refused).outcome == expected
    record.ended = FaultKind.KILLED
    assert repr(end_of(replace(REQUEST, notes=record), is_refused=False).outcome) == "'killed'"
