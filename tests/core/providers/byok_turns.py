"""Turns of a translated row for tests of its plan, and what came of them."""

from __future__ import annotations

from typing import Any

import orjson

from addons.core.limits import Limits
from addons.core.providers.byok import Byok
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Head,
    Plan,
    Relay,
    Send,
    Step,
    WireRequest,
)
from tests.conformance import check
from tests.core.providers.rows import ROUTE, TARGET, Key, Parrot, read, request

SSE = Head(200, ((b"content-type", b"text/event-stream"), (b"x-request-id", b"req-1")))


def byok(**fields: Any) -> Byok:
    given: dict[str, Any] = {"target": TARGET, "key": Key(), "dialect": Parrot(), "read": read}
    given |= {"ids": lambda: "seed", "clock": lambda: 1_700_000_000.0, **fields}
    return Byok(**given)


def plan_of(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    return byok(**fields).plan(asked or request(), ROUTE)


def started(asked: ClientRequest | None = None, **fields: Any) -> Plan:
    plan = plan_of(asked, **fields)
    assert isinstance(plan.start(), Send)
    return plan


def sent(step: Step) -> WireRequest:
    assert isinstance(step, Send)
    return step.wire


def stream_of(step: Step, *reads: bytes) -> bytes:
    assert isinstance(step, Relay)
    fed = [step.translator.feed(data) for data in reads]
    return b"".join((step.opening, *fed, step.translator.finish()))


def answered(step: Step) -> tuple[int, bytes]:
    assert isinstance(step, Answer)
    return step.reply.head.status, step.reply.body


def error_of(step: Step) -> dict[str, Any]:
    """The error as the client has it: a conforming failed stream, or a JSON body."""
    status, body = answered(step)
    if status == 200:
        error = check(body)["response"]["error"]
        return {"status": 200, **error}
    return {"status": status, **orjson.loads(body)["error"]}


def refused(plan: Plan, head: Head, body: bytes = b"") -> Step:
    while isinstance(step := plan.on_head(head), Send):
        pass
    assert step == Collect(Limits().error_body_bytes)
    return plan.on_body(head, body)
