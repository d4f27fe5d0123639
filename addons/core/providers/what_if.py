"""The turn that asks another model the same as a turn that has ended: its answer says in a header who gave it.

Never does: change a step apart from the header, or what the client gets of an answer. Invariant: a header of this name that
an upstream sent is not passed on.
"""

from __future__ import annotations

from dataclasses import replace

from addons.core.turn import (
    Answer,
    EndsWithTurn,
    Fault,
    Head,
    Plan,
    Prepare,
    Relay,
    Send,
    Step,
    StreamLocal,
    TurnNotes,
    WorksInSlices,
)
from addons.core.what_if.answered import ANSWERED_HEADER, answered_value


class WhatIfPlan:
    """The decisions of the row's own plan."""

    def __init__(self, plan: Plan, notes: TurnNotes) -> None:
        self._plan = plan
        self._notes = notes

    def slice(self) -> bool:
        """Let the plan of the row do a part of its work."""
        return isinstance(self._plan, WorksInSlices) and self._plan.slice()

    def start(self) -> Step:
        """Begin."""
        return self._noted(self._plan.start())

    def on_head(self, head: Head) -> Step:
        """Let the plan of the row decide."""
        return self._noted(self._plan.on_head(head))

    def on_body(self, head: Head, body: bytes) -> Step:
        """Let the plan of the row decide."""
        return self._noted(self._plan.on_body(head, body))

    def on_fault(self, fault: Fault) -> Step:
        """Let the plan of the row decide."""
        return self._noted(self._plan.on_fault(fault))

    def ended(self) -> None:
        """Let the plan of the row release what it holds."""
        if isinstance(self._plan, EndsWithTurn):
            self._plan.ended()

    def _noted(self, step: Step) -> Step:
        match step:
            case Relay() | StreamLocal():
                return replace(step, head=self._with_header(step.head))
            case Answer():
                head = self._with_header(step.reply.head)
                return replace(step, reply=replace(step.reply, head=head))
            case Prepare():
                then = step.then
                return replace(step, then=lambda: self._noted(then()))
            case Send() if decide := step.decide:
                return step._replace(decide=lambda: self._noted(decide()))
        return step

    def _with_header(self, head: Head) -> Head:
        kept = (one for one in head.headers if one[0].lower() != ANSWERED_HEADER)
        return replace(head, headers=(*kept, (ANSWERED_HEADER, answered_value(self._notes))))
