"""A used-up limit that an upstream reports inside a stream with status 200, before anything of an answer."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import pytest

from addons.core.providers.fallback import HELD_BYTES
from addons.core.routes import State
from addons.core.turn import Answer, Collect, Fault, FaultKind, Relay, Step
from tests.core.providers.fallback_turns import (
    EVENTS,
    LOST,
    NOW,
    REFUSED,
    STREAM,
    USED_UP,
    Scripted,
    Setup,
    announced,
    begun,
    host,
    refused,
    route,
)


def event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


CREATED = event({"type": "response.created", "response": {"id": "resp_1"}})
WORKING = event({"type": "response.in_progress", "response": {"id": "resp_1"}})
LIMIT = {"type": "usage_limit_reached", "message": "Used up", "resets_in_seconds": 3_600}


def failed(code: str, message: str = "no") -> bytes:
    error = {"code": code, "message": message}
    return event({"type": "response.failed", "response": {"id": "resp_1", "error": error}})


REFUSALS = {
    "usage limit": (CREATED, WORKING, failed("usage_limit_reached")),
    "first event": (failed("usage_limit_reached"),),
    "rate": (CREATED, failed("rate_limit_exceeded", "Please try again in 20s.")),
    "quota": (CREATED, failed("insufficient_quota")),
    # raine/claude-code-proxy#139
    "error event": (event({"type": "error", "status_code": 429, "error": LIMIT}),),
    "chat": (event({"error": {"code": 429, "message": "Rate limit exceeded"}}),),
    "messages": (event({"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}),),
}


@pytest.mark.parametrize("events", REFUSALS.values(), ids=REFUSALS)
def test_limit_inside_a_stream_falls_back_and_is_remembered(events: tuple[bytes, ...]) -> None:
    setup = Setup()
    plan = setup.turn()
    plan.start()
    assert host(begun(plan, *events)) == "b"
    assert setup.a.circuit.state(NOW) is State.OPEN
    assert host(setup.turn().start()) == "b"


def test_reset_inside_a_stream_is_remembered() -> None:
    setup = Setup()
    plan = setup.turn()
    plan.start()
    begun(plan, event({"type": "error", "status_code": 429, "error": LIMIT}))
    setup.clock.now += 3_599
    assert host(setup.turn().start()) == "b"
    setup.clock.now += 1
    assert host(setup.turn().start()) == "a"


@pytest.mark.parametrize(
    "events",
    [
        (CREATED, failed("context_length_exceeded")),
        (CREATED, failed("server_error")),
        (CREATED, event({"type": "response.output_text.delta", "delta": '"error" usage_limit'})),
        (event({"choices": [{"delta": {"content": "x"}}], "error": {"code": 429}}),),
        (b"data: not json, usage_limit_reached\n\n",),
    ],
)
def test_any_other_begin_is_the_answer(events: tuple[bytes, ...]) -> None:
    setup = Setup()
    plan = setup.turn()
    plan.start()
    step = begun(plan, *events)
    assert isinstance(step, Relay)
    assert announced(step) is None
    assert setup.a.circuit.state(NOW) is State.CLOSED


def test_refusal_is_passed_on_when_no_other_route_can_answer() -> None:
    no_key = route("b", Scripted("b", first=REFUSED))
    setup = Setup(others=[no_key])
    plan = setup.turn()
    plan.start()
    assert isinstance(begun(plan, CREATED, failed("usage_limit_reached")), Relay)
    assert setup.a.circuit.state(NOW) is State.OPEN


def test_answer_of_the_last_route_is_not_held_back() -> None:
    setup = Setup(others=[route("b")])
    plan = setup.turn()
    refused(plan, 429, USED_UP)
    assert isinstance(plan.on_head(STREAM), Relay)


def test_begin_is_read_up_to_a_bound() -> None:
    plan = Setup().turn()
    plan.start()
    step = plan.on_head(STREAM)
    assert isinstance(step, Collect)
    assert step.limit == HELD_BYTES
    assert step.is_enough
    assert not step.is_enough(CREATED)
    assert step.is_enough(b": " + b"x" * HELD_BYTES)


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.STALL])
def test_upstream_that_fails_after_it_has_begun_is_not_paid_for_twice(kind: FaultKind) -> None:
    @dataclass
    class Once(Scripted):
        def on_fault(self, fault: Fault) -> Step:
            assert fault.kind
            return REFUSED

    setup = Setup(a=route("a", Once("a")))
    for _ in range(3):
        plan = setup.turn()
        assert host(plan.start()) == "a"
        assert isinstance(plan.on_head(STREAM), Collect)
        assert plan.on_fault(Fault(kind, "")) is REFUSED
    assert host(setup.turn().start()) == "b"


def test_connection_that_fails_later_still_falls_back() -> None:
    plan = Setup().turn()
    plan.start()
    assert host(plan.on_fault(LOST)) == "b"


def test_stream_that_ends_without_an_answer_is_ended_by_its_translator() -> None:
    setup = Setup()
    plan = setup.turn()
    plan.start()
    plan.on_head(STREAM)
    step = plan.on_body(STREAM, CREATED)
    assert isinstance(step, Answer)
    assert step.reply.body == CREATED


def test_answer_closes_the_circuit_when_it_begins() -> None:
    setup = Setup()
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    trial = setup.turn()
    trial.start()
    step = trial.on_head(STREAM)
    assert isinstance(step, Collect)
    assert step.is_enough
    assert step.is_enough(EVENTS)
    assert setup.a.circuit.state(setup.clock.now) is State.HALF_OPEN
    trial.on_body(STREAM, EVENTS)
    assert setup.a.circuit.state(setup.clock.now) is State.CLOSED
