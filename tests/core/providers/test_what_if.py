"""The turn of a comparison: every answer says who gave it, and all else is the plan's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from addons.core.providers.what_if import WhatIfPlan
from addons.core.secrets import Origin
from addons.core.turn import (
    Answer,
    Collect,
    Fault,
    FaultKind,
    Head,
    Prepare,
    Relay,
    Reply,
    Send,
    Step,
    StreamLocal,
    TurnNotes,
    UpstreamRequest,
)
from addons.core.what_if.answered import ANSWERED_HEADER

SENT = UpstreamRequest(Origin("https", "e.x", 443), "POST", "/", (), b"")
ANSWER = Answer(Reply(Head(429, ((b"a", b"b"),)), b"no"))
SPOOFED = Head(200, ((b"X-Codex-Shim-Answered", b'{"label":"spoofed"}'), (b"c", b"d")))
STREAM: Any = object()


async def nothing() -> None:
    """Do nothing."""


SENT_STEP = Send(SENT)


class Plan:
    """Gives one step whatever it is asked."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.has_ended = False

    def start(self) -> Step:
        return self.step

    def on_head(self, _head: Head) -> Step:
        return self.step

    def on_body(self, _head: Head, _body: bytes) -> Step:
        return self.step

    def on_fault(self, _fault: Fault) -> Step:
        return self.step

    def ended(self) -> None:
        self.has_ended = True


class Sliced(Plan):
    """Works in slices."""

    def __init__(self, step: Step, slices: list[bool]) -> None:
        super().__init__(step)
        self.slices = slices

    def slice(self) -> bool:
        return self.slices.pop(0)


def noted() -> TurnNotes:
    notes = TurnNotes()
    notes.note_route("deepseek", "m", "DeepSeek")
    return notes


def label_of(head: Head) -> str:
    values = [value for name, value in head.headers if name.lower() == ANSWERED_HEADER]
    assert len(values) == 1
    return str(json.loads(values[0])["label"])


@pytest.mark.parametrize("step", [ANSWER, Relay(SPOOFED, STREAM), StreamLocal(SPOOFED, STREAM, STREAM)])  # fmt: skip
def test_each_kind_of_answer_has_the_header_once(step: Step) -> None:
    inner = Plan(step)
    plan = WhatIfPlan(inner, noted())
    steps = [plan.start(), plan.on_head(SPOOFED), plan.on_body(SPOOFED, b""), plan.on_fault(Fault(FaultKind.CUT, ""))]  # fmt: skip
    for one in steps:
        assert isinstance(one, Answer | Relay | StreamLocal)
        head = one.reply.head if isinstance(one, Answer) else one.head
        assert label_of(head) == "DeepSeek"
        assert head.headers[0] in {(b"a", b"b"), (b"c", b"d")}
    plan.ended()
    assert inner.has_ended


def test_answer_behind_another_step_has_the_header() -> None:
    for step in (Prepare(nothing, lambda: ANSWER), Send(SENT, 1.0, lambda: ANSWER)):
        found = WhatIfPlan(Plan(step), noted()).start()
        then = found.then if isinstance(found, Prepare) else getattr(found, "decide")  # noqa: B009
        later = then()
        assert isinstance(later, Answer)
        assert label_of(later.reply.head) == "DeepSeek"


def test_other_steps_are_the_same_object() -> None:
    for step in (Send(SENT), Collect(9)):
        assert WhatIfPlan(Plan(step), noted()).start() is step


def test_plan_of_the_row_works_in_its_own_slices() -> None:
    whole: Any = WhatIfPlan(Plan(SENT_STEP), TurnNotes())
    assert whole.slice() is False
    sliced: Any = WhatIfPlan(Sliced(SENT_STEP, [True, False]), TurnNotes())
    assert [sliced.slice(), sliced.slice()] == [True, False]
