"""Turns of a translated row for tests of its plan, and their results."""

from __future__ import annotations

from typing import Any

import orjson

from addons.core.limits import Limits
from addons.core.providers.translated import TranslatedProvider
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Head,
    Plan,
    Relay,
    Send,
    Step,
    UpstreamRequest,
)
from tests.conformance import check
from tests.core.providers.rows import ROUTE, TARGET, FakeTranslator, Key, read, request

SSE = Head(200, ((b"content-type", b"text/event-stream"), (b"x-request-id", b"req-1")))


def provider_with(**fields: Any) -> TranslatedProvider:
    given: dict[str, Any] = {
        "target": TARGET,
        "key": Key(),
        "translator": FakeTranslator(),
        "read": read,
    }
    given |= {"ids": lambda: "seed", "clock": lambda: 1_700_000_000.0, **fields}
    return TranslatedProvider(**given)


def plan_of(turn: ClientRequest | None = None, **fields: Any) -> Plan:
    return provider_with(**fields).plan(turn or request(), ROUTE)


def started(turn: ClientRequest | None = None, **fields: Any) -> Plan:
    plan = plan_of(turn, **fields)
    assert isinstance(plan.start(), Send)
    return plan


def sent(step: Step) -> UpstreamRequest:
    assert isinstance(step, Send)
    return step.request


def stream_of(step: Step, *reads: bytes) -> bytes:
    assert isinstance(step, Relay)
    fed = [step.translator.feed(data) for data in reads]
    return b"".join((step.opening, *fed, step.translator.finish()))


def answered(step: Step) -> tuple[int, bytes]:
    assert isinstance(step, Answer)
    return step.reply.head.status, step.reply.body


def error_of(step: Step) -> dict[str, Any]:
    """Return the error that the client gets, from a valid failed stream or from a JSON body."""
    status, body = answered(step)
    if status == 200:
        error = check(body)["response"]["error"]
        return {"status": 200, **error}
    return {"status": status, **orjson.loads(body)["error"]}


def next_step(plan: Plan, head: Head, body: bytes = b"") -> Step:
    """Return the decision about a refusal, whose body is read where the plan wants it."""
    step = plan.on_head(head)
    if isinstance(step, Collect):
        assert step == Collect(Limits().error_body_bytes)
        return plan.on_body(head, body)
    return step


def refused(plan: Plan, head: Head, body: bytes = b"") -> Step:
    """Return the answer to a refusal, after all retries."""
    while isinstance(step := next_step(plan, head, body), Send):
        pass
    return step
