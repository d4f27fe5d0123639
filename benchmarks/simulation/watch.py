"""What upstreams may be asked, by what they themselves have sent: circuits, named fallbacks and budgets.

It knows nothing of the product's circuits and sums. Invariants: after a used-up limit the plan is asked by no turn that
began before the reset, then by one turn at a time until it answers; a turn asks no upstream but that of its model and of
the fallbacks that the model names; while the plan answers, its turns go nowhere else; no turn of a model whose budget is
spent is sent, nor one that was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from benchmarks.simulation.clock import Clock, ViolationError

PLAN, SPARE, METERED = "plan", "spare", "metered"
PLAN_HOST, SPARE_HOST, METERED_HOST = "plan.test", "spare.test", "metered.test"
HOSTS = {PLAN: (PLAN_HOST, SPARE_HOST), SPARE: (SPARE_HOST,), METERED: (METERED_HOST,)}
"""Model → the upstreams that its turns may be sent to."""
TRIAL_SECONDS, PAUSE_SECONDS = 60.0, 30.0
TOKENS_PER_ANSWER, BUDGET_TOKENS = 500, 1_200
ROUNDING = 0.001
"""Seconds since 1970 in a float are not exact to the microsecond."""


@dataclass(slots=True)
class _Begun:
    """One turn, when its plan was made."""

    slug: str
    at: float
    order: int
    plan_answers: bool
    spent: int


class Watch:
    """Takes what begins and what upstreams receive and send. Raises ViolationError."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = count()
        self._begun: dict[int, _Begun] = {}
        self._asked: set[int] = set()
        """Turns that have asked the plan."""
        self._refused: set[int] = set()
        self._spent = 0
        self.limit_until = 0.0
        """Until when the plan refuses."""
        self._reset: float | None = None
        """The last reset that the plan has named, until it answers."""
        self._reset_order = 0
        self._trial: int | None = None
        self._trial_until = 0.0
        self._failures = 0
        """Of the plan, in a row."""

    # Turns ------------------------------------------------------------------------------------------------

    def begins(self, turn: int, slug: str) -> None:
        """Note that the plan of a turn is made now."""
        answers = self._reset is None and not self._failures
        order = next(self._order)
        self._begun[turn] = _Begun(slug, self._clock.now, order, answers, self._spent)

    def refused(self, turn: int) -> None:
        """Note that a budget refuses a turn."""
        self._refused.add(turn)

    def answered(self, turn: int) -> None:
        """Note that a client has the whole answer to a turn: it is paid for."""
        if (begun := self._begun.get(turn)) and begun.slug == METERED:
            self._spent += TOKENS_PER_ANSWER

    # Upstreams --------------------------------------------------------------------------------------------

    def asked(self, turn: int, host: str) -> None:
        """Check that this upstream may get this turn."""
        begun = self._begun.get(turn)
        if begun is None or begun.slug not in HOSTS:
            return
        if host not in HOSTS[begun.slug]:
            message = f"turn {turn} for {begun.slug} was sent to {host}, which is no fallback of it"
            raise ViolationError(message)
        if turn in self._refused:
            message = f"turn {turn} was sent although its budget refused it"
            raise ViolationError(message)
        if begun.slug == METERED and begun.spent >= BUDGET_TOKENS:
            message = (
                f"turn {turn} was sent although {begun.spent} tokens of {BUDGET_TOKENS} were spent"
            )
            raise ViolationError(message)
        if host == PLAN_HOST:
            self._plan_asked(turn, begun)
        elif begun.slug == PLAN and turn not in self._asked and begun.plan_answers:
            message = f"turn {turn} went to {host} although the plan answers"
            raise ViolationError(message)

    def _plan_asked(self, turn: int, begun: _Begun) -> None:
        self._asked.add(turn)
        if self._reset is None or begun.order < self._reset_order:
            return
        if begun.at < self._reset - ROUNDING:
            message = f"turn {turn} asked the plan {self._reset - begun.at:.1f} s before its reset"
            raise ViolationError(message)
        if self._trial not in (None, turn) and begun.at < self._trial_until - ROUNDING:
            message = f"turn {turn} asked the half-open plan while turn {self._trial} tried it"
            raise ViolationError(message)
        if self._trial != turn:
            self._trial, self._trial_until = turn, begun.at + TRIAL_SECONDS

    def plan_is_used_up(self, seconds: float) -> None:
        """Note that the plan refuses a turn for so long."""
        self._failures += 1
        self._reset = self._clock.now + seconds
        self._reset_order, self._trial = next(self._order), None

    def plan_answered(self, turn: int) -> None:
        """Note that the plan has sent a part of an answer. One to an earlier turn says nothing about the limit."""
        begun = self._begun.get(turn)
        if begun is None or (self._reset is not None and begun.order < self._reset_order):
            return
        self._reset, self._trial, self._failures = None, None, 0

    def plan_failed(self, turn: int) -> None:
        """Note that the plan sent an error, or closed without an answer."""
        self._failures += 1
        if turn == self._trial:
            self._trial_until = min(self._trial_until, self._clock.now + PAUSE_SECONDS)

    def plan_left(self, turn: int) -> None:
        """Note that the shim has closed the connection of a turn."""
        self._failures += 1
        if turn == self._trial:
            self._trial_until = self._clock.now
