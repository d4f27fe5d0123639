"""The attempts of one turn of a row: retries, repairs, the row's other protocol, and what its answer shows.

An upstream that answers an error late may have worked on the request, and would be paid twice. So a status is retried
only if it came early. The headers say nothing of this: a `retry-after` may be one that a gateway sends with each 503.

Never sends, writes a request or reads a clock of its own. Nothing is sent again once the client got a byte. Invariant: a
request is retried at most twice, never after a refusal that would repeat, and its repairs get no retries of their own.
Source of the pauses: the SDKs of OpenAI and Anthropic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import NoReturn, Protocol

from addons.core.errors import Problem
from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.protocols.canonical.turns import (
    anthropic_call_id,
    mistral_call_id,
    openai_call_id,
)
from addons.core.providers.load_wait import LoadBound, LoadWait
from addons.core.providers.repairing import OtherProtocol, TurnRepairs, WriteRequest
from addons.core.providers.row_problems import fault_problem, row_field_problem
from addons.core.routes import RouteRetries, TurnRetries
from addons.core.turn import (
    Answer,
    Collect,
    EndsWithTurn,
    Fault,
    FaultKind,
    Head,
    Plan,
    Send,
    Step,
    TurnNotes,
    UpstreamRequest,
    WorksInSlices,
)
from addons.core.upstream import protocol
from addons.core.upstream.durations import retry_after_seconds
from addons.core.upstream.error_mapping import upstream_problem
from addons.core.upstream.target import Target
from addons.core.upstream.traits import NO_TRAITS, Source, Trait, Traits, TraitsStore, adapted

PAUSES: dict[int, tuple[float, ...]] = {
    408: (0.5,),
    409: (0.5,),
    500: (0.5, 1.0),
    502: (0.5, 1.0),
    503: (0.5, 1.0),
    504: (0.5, 1.0),
    529: (0.5, 1.0),
}
"""Status → the seconds before each retry. A 429 is reported at once: the client knows how to wait, and shows it."""
EARLY_SECONDS = 1.0
"""A status that comes within this time after its request is early. A refusal before any work takes a round trip (the
engine takes none for longer than 0.5 s) and a check of the key, the limits and the fields."""
MAX_SILENT_WAIT = 8.0
FAULT_PAUSES: dict[FaultKind, tuple[float, ...]] = {
    FaultKind.CONNECT: (0.5,),
}
"""Fault → the seconds before each retry. After a request was sent the upstream may have worked on it, and would be paid
twice. The engine itself sends a request again that an ended idle connection cannot have delivered."""


def is_late(head: Head) -> bool:
    """Return whether the upstream may have worked on the request before it sent this status."""
    return head.seconds > EARLY_SECONDS


def may_be_repaired(head: Head) -> bool:
    """Return whether a changed request may be sent: a refusal of the request is one at any time, an error only early."""
    return head.status < HTTPStatus.INTERNAL_SERVER_ERROR or not is_late(head)


class RetryBudget:
    """The retries that one upstream request has left."""

    __slots__ = ("_done", "_request")

    def __init__(self, request: UpstreamRequest) -> None:
        self._request, self._done = request, 0

    def repaired(self, request: UpstreamRequest) -> None:
        """Continue with a repaired request. It gets no retries of its own."""
        self._request = request

    def after_status(self, head: Head, requested_wait: float | None) -> Send | None:
        """Return the next try, if this status is retried. `requested_wait`: the seconds to wait that the upstream requests."""
        if is_late(head):
            return None
        return self._next(PAUSES.get(head.status, ()), requested_wait or 0.0)

    def after_fault(self, fault: Fault) -> Send | None:
        """Return the next try, if the upstream cannot have seen the request."""
        return self._next(FAULT_PAUSES.get(fault.kind, ()), 0.0)

    def _next(self, pauses: tuple[float, ...], requested_wait: float) -> Send | None:
        if self._done >= len(pauses) or requested_wait > MAX_SILENT_WAIT:
            return None
        pause = max(pauses[self._done], requested_wait)
        self._done += 1
        return Send(self._request, pause)


class LearningTarget:
    """A row's target together with what is known of it. Costs one comparison per turn while nothing changes."""

    __slots__ = ("_adapted", "_traits", "base", "store")

    def __init__(self, base: Target, store: TraitsStore) -> None:
        self.base, self.store = base, store
        self._traits, self._adapted = NO_TRAITS, base

    def current(self) -> tuple[Traits, Target]:
        """Return the traits and the target adapted to them, for one turn."""
        traits = self.store.current(self.base.traits_scope)
        if traits is not self._traits:
            self._traits, self._adapted = traits, adapted(self.base, traits)
        return self._traits, self._adapted


class RowAttempts:
    """The upstream requests of one turn: the first one, its retries and its repairs."""

    __slots__ = (
        "_budget", "_clock", "_learning", "_load", "_notes", "_of_route", "_other", "_repairs", "_target", "_traits",
        "_write", "refusal", "sent",
    )  # fmt: skip

    _budget: RetryBudget | None
    """The retries of the request, once an attempt has failed."""
    sent: UpstreamRequest
    """The last request in the protocol of the row."""
    refusal: tuple[Head, bytes]
    """The last refusal that was answered with a repair."""

    def __init__(
        self,
        learning: LearningTarget,
        clock: Callable[[], float],
        notes: TurnNotes,
        other: OtherProtocol | None,
        write: WriteRequest,
        *,
        retries: RouteRetries,
        load: LoadBound | None = None,
    ) -> None:
        self._of_route = TurnRetries(retries)
        self._learning, self._notes, self._clock = learning, notes, clock
        self._load = LoadWait(load) if load else None
        self._other = other
        """Makes the plan of the same turn in the other protocol of the same upstream."""
        self._write = write
        self._traits, self._target = learning.current()
        self._repairs = self._begin_repairs() if self._traits.entries else None
        """None while nothing was refused and nothing is known of the model, as in nearly every turn."""

    def _begin_repairs(self) -> TurnRepairs:
        learning, known = self._learning, (self._traits, self._target)
        return TurnRepairs(learning.base, learning.store, known, self._notes, self._other)

    @property
    def traits(self) -> Traits:
        """The traits of the last request."""
        return self._repairs.traits if self._repairs else self._traits

    @property
    def target(self) -> Target:
        """The target of the last request, adapted to the traits."""
        return self._repairs.target if self._repairs else self._target

    @property
    def other_plan(self) -> Plan | None:
        """The plan that answers this turn in the other protocol."""
        return self._repairs.other_plan if self._repairs else None

    @property
    def is_provisional(self) -> bool:
        """Whether the last change is not accepted yet."""
        return self._repairs is not None and self._repairs.is_provisional

    def accepted(self) -> None:
        """Keep the change that made this attempt succeed. A retry is over."""
        self._of_route.settle()
        if self._repairs:
            self._repairs.accepted()

    def start(self) -> Send | Problem:
        """Return the step that sends the turn, or the reason why that is impossible."""
        self._of_route.begin()
        request = self._write(self.traits, self.target)
        return request if isinstance(request, Problem) else self.send(request)

    def send(self, request: UpstreamRequest) -> Send:
        """Return the step that sends a request with retries of its own."""
        self.sent, self._budget = request, None
        return Send(request)

    def after_status(self, head: Head) -> Send | None:
        """Return the next try, if this status is retried and the route has one left, or while a model is loaded."""
        if load := self._load:
            pause = load.after_status(head, self._clock())
            if pause is not None or load.is_over:
                return self._while_loading(pause)
        return self._granted(self._retries().after_status(head, self.requested_wait(head)))

    def after_fault(self, fault: Fault) -> Send | None:
        """Return the next try, if the upstream cannot have begun to answer and the route has one left."""
        if load := self._load:
            pause = load.after_fault(fault, self._clock())
            if pause is not None or load.is_over:
                return self._while_loading(pause)
        return self._granted(self._retries().after_fault(fault))

    def _while_loading(self, pause: float | None) -> Send | None:
        """Return the next try; None after the bound. It counts as no retry: a server that loads is not overloaded."""
        self._of_route.settle()
        return None if pause is None else Send(self.sent, pause)

    def ended(self) -> None:
        """Stop counting the turn and its retry. Forget its plan, which would stay in memory, bodies and all, in a cycle."""
        self._of_route.end()
        self._write = _nothing_more

    def _granted(self, step: Send | None) -> Send | None:
        if step is None:
            self._of_route.settle()
            return None
        return step if self._of_route.retry() else None

    def fault_problem(self, fault: Fault) -> Problem:
        """Return the problem for a fault after which nothing is sent again."""
        own = self._load.fault_problem(fault) if self._load else None
        return own or fault_problem(self._learning.base, fault)

    def _retries(self) -> RetryBudget:
        self._budget = self._budget or RetryBudget(self.sent)
        return self._budget

    def repaired(self, head: Head, body: bytes) -> Step | None:
        """Return the step that sends the repaired turn; None if this refusal cannot be repaired."""
        if not may_be_repaired(head):
            return None
        self._repairs = self._repairs or self._begin_repairs()
        if step := self._repairs.request_after(head, body, self.sent, self._write):
            self.refusal = head, body
        return self._noted(step)

    def without_other(self) -> Step | None:
        """Return the step that repairs the turn in another way, after the other protocol was refused too."""
        step = self._repairs.without_other(self._write) if self._repairs else None
        return self._noted(step)

    def _noted(self, step: Step | None) -> Step | None:
        if isinstance(step, Send) and not self.other_plan:
            self.sent = step.request
            if self._budget:
                self._budget.repaired(step.request)
        return step

    def problem(self, head: Head, body: bytes) -> Problem:
        """Return the meaning of a refusal, with the field of the row that a repair would have overridden."""
        if self._load and self._load.is_over and head.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return self._load.problem()
        status = head.status if head.status >= HTTPStatus.BAD_REQUEST else HTTPStatus.BAD_GATEWAY
        wait, now = self.requested_wait(head), self._clock()
        target, advice = self._learning.base, self._repairs.advice if self._repairs else ""
        problem = upstream_problem(target, status, body, wait, now)
        return row_field_problem(problem, target, advice) if advice else problem

    def requested_wait(self, head: Head) -> float | None:
        """Return the seconds to wait that the upstream requests."""
        return retry_after_seconds(head.headers, self._clock())


def _nothing_more(_traits: Traits, _target: Target) -> NoReturn:
    raise AssertionError


class RowPlan(Plan, EndsWithTurn, Protocol):
    """A plan of a row, whose repairs may change its protocol."""

    attempts: RowAttempts

    def refused(self, head: Head, body: bytes) -> Answer:
        """Return the answer to the client that reports a refusal."""


class TwoProtocolPlan:
    """One turn in the protocol of its row or, from a refusal on that asks for it, in the other one."""

    __slots__ = ("_attempts", "_error_body_bytes", "_plan")

    def __init__(self, plan: RowPlan, error_body_bytes: int) -> None:
        self._plan, self._attempts = plan, plan.attempts
        self._error_body_bytes = error_body_bytes

    def slice(self) -> bool:
        """Let the current plan do a part of its work."""
        return isinstance(self._current, WorksInSlices) and self._current.slice()

    def start(self) -> Step:
        """Begin in the protocol that the upstream was found to want."""
        return self._current.start()

    def on_head(self, head: Head) -> Step:
        """Let the current plan decide. If the other protocol is refused too, the change is taken back."""
        other = self._attempts.other_plan
        if not other:
            return self._plan.on_head(head)
        step = other.on_head(head)
        if HTTPStatus.OK <= head.status < HTTPStatus.MULTIPLE_CHOICES:
            self._attempts.accepted()
        elif self._attempts.is_provisional and not isinstance(step, Send):
            return Collect(self._error_body_bytes)
        return step

    def on_body(self, head: Head, body: bytes) -> Step:
        """Let the current plan decide."""
        may_change = self._is_other_tried and may_be_repaired(head)
        step = self._current.on_body(head, body)
        return self._settled(step) if may_change else step

    def ended(self) -> None:
        """Let both plans release what they hold."""
        self._plan.ended()
        if (other := self._attempts.other_plan) and isinstance(other, EndsWithTurn):
            other.ended()

    def on_fault(self, fault: Fault) -> Step:
        """Let the current plan decide."""
        is_unsent = self._is_other_tried and fault.kind in FAULT_PAUSES
        step = self._current.on_fault(fault)
        return self._settled(step) if is_unsent else step

    @property
    def _current(self) -> Plan:
        return self._attempts.other_plan or self._plan

    @property
    def _is_other_tried(self) -> bool:
        return self._attempts.other_plan is not None and self._attempts.is_provisional

    def _settled(self, step: Step) -> Step:
        if isinstance(step, Send):
            return step
        attempts = self._attempts
        return attempts.without_other() or self._plan.refused(*attempts.refusal)


def key_in_header(request: UpstreamRequest, traits: Traits) -> UpstreamRequest:
    """Return the request with its key in the header that the upstream was found to want."""
    if not traits.entries or not request.secrets:
        return request
    wanted = traits.value("auth")
    if not isinstance(wanted, str):
        return request
    name = wanted.encode("latin-1", "replace")
    prefix = b"Bearer " if name == b"authorization" else b""
    first, *rest = request.secrets
    return replace(request, secrets=(replace(first, name=name, prefix=prefix), *rest))


def observe(learning: LearningTarget, traits: Traits, found: dict[str, str]) -> None:
    """Keep what an answer showed, if it is new."""
    new = [
        Trait(name, value, Source.OBSERVED)
        for name, value in found.items()
        if name not in traits.entries
    ]
    if new:
        learning.store.learn(learning.base.traits_scope, new, ())


def observed_traits(response: JsonObject, target: Target) -> dict[str, str]:
    """Return the traits that a whole response shows: call ids of a form of its own must come back unchanged."""
    output = response.get("output")
    for item in output if isinstance(output, list) else ():
        call_id = as_str(as_object(item).get("call_id"))
        if call_id and _is_rewritten(call_id, target):
            return {"call_ids": "verbatim"}
    return {}


def _is_rewritten(call_id: str, target: Target) -> bool:
    """Return whether the next request would change this id."""
    form = target.profile.call_ids
    if form == "verbatim":
        return False
    if target.protocol is protocol.Protocol.MESSAGES:
        return anthropic_call_id(call_id) != call_id
    if form == "mistral":
        return mistral_call_id(call_id) != call_id
    return form == "openai" and openai_call_id(call_id) != call_id
