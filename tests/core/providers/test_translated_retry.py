"""Refusals of a translated row: retries, and the error that each client gets."""

from __future__ import annotations

import pytest

from addons.core.secrets import Origin
from addons.core.turn import Answer, Collect, Fault, FaultKind, Head, Plan, Send
from tests.core.providers.rows import SDK, Key, request
from tests.core.providers.translated_turns import (
    answered,
    error_of,
    next_step,
    plan_of,
    refused,
    sent,
    started,
)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_prompt"),
        (401, "invalid_prompt"),
        (403, "invalid_prompt"),
        (404, "invalid_prompt"),
        (413, "context_length_exceeded"),
        (422, "invalid_prompt"),
        (429, "rate_limit_exceeded"),
        (500, "server_error"),
        (503, "rate_limit_exceeded"),
        (529, "rate_limit_exceeded"),
    ],
)
def test_codex_gets_a_stream_with_the_code_that_it_handles(status: int, code: str) -> None:
    step = refused(started(), Head(status), b'{"error":{"message":"said"}}')
    error = error_of(step)
    assert (error["status"], error["code"]) == (200, code)
    assert "said" in error["message"]
    assert answered(step)[1].startswith(b"event: response.created\n")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
def test_sdks_get_the_status(status: int) -> None:
    assert error_of(refused(started(request(SDK)), Head(status)))["status"] == status


def test_requested_wait_is_passed_on() -> None:
    head = Head(429, ((b"retry-after", b"7"), (b"x-request-id", b"req-9")))
    step = refused(started(request(SDK)), head)
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"retry-after") == b"7"
    assert step.reply.head.header(b"x-request-id") == b"req-9"
    assert "try again in 7s" in error_of(refused(started(), head))["message"]


def test_fraction_of_a_second_is_rounded_up_in_the_header() -> None:
    step = refused(started(request(SDK)), Head(429, ((b"retry-after-ms", b"1200"),)))
    assert isinstance(step, Answer)
    assert step.reply.head.header(b"retry-after") == b"2"


def test_refused_key_is_reported_to_its_source_and_not_retried() -> None:
    key = Key()
    plan = started(key=key)
    assert isinstance(plan.on_head(Head(401)), Collect)
    assert key.refusals == 1


def delays(plan: Plan, head: Head) -> list[float]:
    found = []
    while isinstance(step := next_step(plan, head), Send):
        found.append(step.delay)
        assert len(found) < 10
    return found


@pytest.mark.parametrize(
    ("status", "pauses"),
    [
        (408, [0.5]),
        (409, [0.5]),
        (500, [0.5, 1.0]),
        (502, [0.5, 1.0]),
        (503, [0.5, 1.0]),
        (504, [0.5, 1.0]),
        (529, [0.5, 1.0]),
        (400, []),
        (401, []),
        (403, []),
        (404, []),
        (413, []),
        (422, []),
        (429, []),
        (501, []),
    ],
)
def test_which_statuses_are_retried(status: int, pauses: list[float]) -> None:
    assert delays(started(), Head(status)) == pauses


@pytest.mark.parametrize(
    ("retry_after", "pauses"),
    [(b"3", [3.0, 3.0]), (b"0", [0.5, 1.0]), (b"8", [8.0, 8.0]), (b"9", [])],
)
def test_short_wait_is_waited_and_long_wait_is_reported(
    retry_after: bytes, pauses: list[float]
) -> None:
    assert delays(started(), Head(503, ((b"retry-after", retry_after),))) == pauses


def test_same_request_is_sent_again() -> None:
    plan = plan_of()
    first = sent(plan.start())
    assert sent(next_step(plan, Head(500))) is first


def test_retries_are_counted_over_statuses_and_faults() -> None:
    plan = started()
    steps = [next_step(plan, Head(500)), plan.on_fault(Fault(FaultKind.RESET, "x"))]
    assert [type(step) for step in steps] == [Send, Answer]


@pytest.mark.parametrize("kind", FaultKind)
def test_which_faults_are_retried(kind: FaultKind) -> None:
    origin = Origin("https", "api.example.com", 443)
    fault, plan = Fault(kind, "detail", origin), started(request(SDK))
    step = plan.on_fault(fault)
    again = kind is FaultKind.CONNECT
    assert isinstance(step, Send) is again
    assert not isinstance(step, Send) or step.delay == 0.5
    error = error_of(plan.on_fault(fault) if again else step)
    assert error["status"] >= 500
    assert "row (example big-model)" in error["message"]
