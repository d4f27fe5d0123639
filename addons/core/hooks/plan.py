"""The plan of a turn with hooks: they see the request before a route is chosen, and each event of the answer.

Never does: call a user's function itself; the `HookRunner` does, in another thread. Invariant: nothing is sent upstream before
every `on_turn` has returned, and the client gets nothing of an answer that has not passed every `on_event`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Protocol

import orjson

from addons.core.errors import Problem, error_reply
from addons.core.headers import media_type
from addons.core.hooks.chain import HookError, checked, unreadable
from addons.core.hooks.events import EventReader, Mask, Piece, unmasked, whole_event
from addons.core.hooks.frozen_json import plain
from addons.core.hooks.values import End, Event
from addons.core.json_values import loads_exactly
from addons.core.telemetry.record import TurnRecord
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    EndsWithTurn,
    Fault,
    Head,
    Plan,
    Prepare,
    Relay,
    Reply,
    Send,
    Step,
    StreamLocal,
    Translator,
)

EVENT_STREAM, JSON = b"text/event-stream", b"application/json"


class Rewrites(Translator, Protocol):
    """A translator around another one."""

    def rewrite(self, output: bytes) -> bytes:
        """Return output of the inner translator as the hooks leave it, or nothing, if it follows later."""


class HookRunner(Protocol):
    """Runs the hooks of one turn."""

    def needs_thread(self, request: ClientRequest) -> bool:
        """Return whether the hooks may take long, so that the turn has to be prepared."""

    def begin_now(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on, from hooks that are not slow. Raises HookError."""

    async def begin(self, request: ClientRequest) -> ClientRequest:
        """Return the request that goes on. Raises HookError."""

    async def on_pieces(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """Return what the hooks make of a whole answer. Raises HookError."""

    def around(self, translator: Translator, mask: Mask) -> Rewrites:
        """Return a translator whose events pass through the hooks. `mask` replaces secrets in them."""

    def end(self, end: End) -> None:
        """Tell the hooks how the turn has ended, and release what it took."""

    @property
    def notes(self) -> Sequence[str]:
        """Which hook changed which fields."""

    @property
    def is_refused(self) -> bool:
        """Whether a hook has refused the turn."""

    @property
    def sees_events(self) -> bool:
        """Whether a hook wants to see the answer."""


class HookedPlan:
    """One turn."""

    def __init__(
        self,
        request: ClientRequest,
        runner: HookRunner,
        make_plan: Callable[[ClientRequest], Plan],
        max_bytes: int,
    ) -> None:
        self._request = request
        self._runner = runner
        self._make_plan = make_plan
        self._max_bytes = max_bytes
        self._plan: Plan | None = None
        self._problem: HookError | None = None
        self._whole: tuple[Head, Translator, bytes] | None = None
        """Head, translator and opening of an answer without a stream, while it is collected."""
        self._reply: Reply | None = None
        self.mask: Mask = unmasked
        """Replaces the secrets of the turn that an upstream has repeated. The engine sets it."""

    # The request ------------------------------------------------------------------------------------------

    def start(self) -> Step:
        """Ask the hooks, then begin the plan of the route."""
        if self._runner.needs_thread(self._request):
            return Prepare(self._prepare, self._started)
        try:
            self._request = self._runner.begin_now(self._request)
        except HookError as error:
            self._problem = error
        return self._started()

    async def _prepare(self) -> None:
        try:
            self._request = await self._runner.begin(self._request)
        except HookError as error:
            self._problem = error

    def _started(self) -> Step:
        self._request.notes.hooks = tuple(self._runner.notes)
        if self._problem:
            return self._answer_problem(self._problem.problem)
        plan = self._plan = self._make_plan(self._request)
        return self._hooked(plan.start())

    # The answer -------------------------------------------------------------------------------------------

    def on_head(self, head: Head) -> Step:
        """Let the plan of the route decide."""
        return self._hooked(self._inner.on_head(head))

    def on_body(self, head: Head, body: bytes) -> Step:
        """Let the plan of the route decide, unless the body is the whole answer."""
        if self._whole is None:
            return self._hooked(self._inner.on_body(head, body))
        answer_head, translator, opening = self._whole
        if len(body) >= self._max_bytes:
            limit = f"it is larger than {self._max_bytes:,} bytes (`body_bytes`)"
            return self._answer_problem(unreadable(limit))
        whole = opening + translator.feed(body) + translator.finish()
        return self._with_whole(Reply(answer_head, whole))

    def on_fault(self, fault: Fault) -> Step:
        """Let the plan of the route decide."""
        self._whole = None
        return self._hooked(self._inner.on_fault(fault))

    def ended(self) -> None:
        """Release what the turn holds, and tell the hooks how it ended."""
        if isinstance(self._plan, EndsWithTurn):
            self._plan.ended()
        self._runner.end(end_of(self._request, is_refused=self._runner.is_refused))

    @property
    def _inner(self) -> Plan:
        assert self._plan  # noqa: S101  an attempt was made
        return self._plan

    def _hooked(self, step: Step) -> Step:
        """Return a step of the route's plan, with the hooks in the way of the answer."""
        if not self._runner.sees_events:
            return step
        match step:
            case Prepare():
                return replace(step, then=lambda: self._hooked(step.then()))
            case Send(_, _, decide) if decide:
                return step._replace(decide=lambda: self._hooked(decide()))
            case Relay() | StreamLocal():
                return self._with_hooks(step)
            case Answer() if _is_whole_answer(step.reply.head):
                return self._with_whole(step.reply)
        return step

    def _with_hooks(self, step: Relay | StreamLocal) -> Step:
        kind = media_type(step.head.headers)
        if step.head.status != HTTPStatus.OK or kind not in (EVENT_STREAM, JSON):
            # an error, which is no event
            return step
        if coding := step.head.header(b"content-encoding"):
            return self._answer_problem(unreadable(f"it is encoded as {coding.decode('latin-1')}"))
        if kind == JSON:
            return self._collected(step)
        translator = self._runner.around(step.translator, self.mask)
        if isinstance(step, StreamLocal):
            return replace(step, translator=translator)
        opening = translator.rewrite(step.opening)
        return replace(step, translator=translator, opening=opening)

    def _collected(self, step: Relay | StreamLocal) -> Step:
        if isinstance(step, StreamLocal):
            return self._with_local(step)
        self._whole = (step.head, step.translator, step.opening)
        return Collect(self._max_bytes)

    def _with_local(self, step: StreamLocal) -> Step:
        async def collect() -> None:
            sink = _CollectingSink(step.translator)
            await step.source(sink)
            await self._rewrite(Reply(step.head, sink.body + step.translator.finish()))

        return Prepare(collect, self._rewritten_answer)

    def _with_whole(self, reply: Reply) -> Step:
        return Prepare(lambda: self._rewrite(reply), self._rewritten_answer)

    async def _rewrite(self, reply: Reply) -> None:
        try:
            self._reply = await self._rewritten(reply)
        except HookError as error:
            self._problem = error

    def _rewritten_answer(self) -> Step:
        if self._problem:
            return self._answer_problem(self._problem.problem)
        assert self._reply  # noqa: S101  it was rewritten
        return Answer(self._reply)

    async def _rewritten(self, reply: Reply) -> Reply:
        if media_type(reply.head.headers) == EVENT_STREAM:
            reader = EventReader(len(reply.body), self.mask)
            pieces = [*reader.feed(reply.body), *reader.finish()]
            return _changed(reply, checked(await self._runner.on_pieces(pieces)))
        event = _event_of(self.mask(reply.body))
        (*_, new) = await self._runner.on_pieces([event])
        if new is event or not isinstance(new, Event):
            return reply
        return _changed(reply, orjson.dumps(plain(new.data["response"])))

    def _answer_problem(self, problem: Problem) -> Answer:
        return Answer(error_reply(problem, to_codex=self._request.expects_stream))


class _CollectingSink:
    """Keeps what a local source writes."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self.body = b""

    async def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.body += self._translator.feed(data)


def _is_whole_answer(head: Head) -> bool:
    return head.status == HTTPStatus.OK and media_type(head.headers) in (EVENT_STREAM, JSON)


def _event_of(body: bytes) -> Event:
    try:
        answer = loads_exactly(body)
    except orjson.JSONDecodeError:
        raise HookError(unreadable("it is not valid JSON")) from None
    if not isinstance(answer, dict):
        raise HookError(unreadable("it is JSON, but not an object"))
    return whole_event(answer)


def _changed(reply: Reply, body: bytes) -> Reply:
    headers = tuple(each for each in reply.head.headers if each[0].lower() != b"content-length")
    return Reply(replace(reply.head, headers=headers), body)


def end_of(request: ClientRequest, *, is_refused: bool) -> End:
    """Return how a turn has ended, from its record."""
    notes = request.notes
    record = notes if isinstance(notes, TurnRecord) else TurnRecord()
    outcome = record.ended or ("refused" if is_refused else _outcome(record))
    return End(
        outcome=str(outcome),
        status=record.status,
        error=record.error,
        model=record.model,
        provider=record.route,
        attempts=len(record.attempts),
        usage=record.usage,
        seconds=record.seconds,
        first_token_seconds=record.ttft,
    )


def _outcome(record: TurnRecord) -> str:
    if record.ok:
        return "complete"
    return "incomplete" if record.terminal == "response.incomplete" else "failed"
