"""Which statuses and faults are retried, after what pause, and how often; the target with what is known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from addons.core.providers.row_attempts import (
    EARLY_SECONDS,
    FAULT_PAUSES,
    PAUSES,
    LearningTarget,
    RetryBudget,
    may_be_repaired,
)
from addons.core.secrets import Origin
from addons.core.turn import Fault, FaultKind, Head, Send, UpstreamRequest
from addons.core.upstream.protocol import Protocol
from addons.core.upstream.traits import NO_TRAITS, MemoryTraits, Trait
from tests.core.providers.rows import TARGET

REQUEST = UpstreamRequest(Origin("https", "a.example", 443), "POST", "/v1/responses", (), b"{}")
RETRYABLE = {408, 409, 500, 502, 503, 504, 529}


def pauses_after_status(
    status: int,
    requested_wait: float | None = None,
    seconds: float = 0.0,
    name: bytes = b"retry-after",
) -> list[float]:
    """Return the pause before each retry of a budget that only gets this status."""
    budget, pauses = RetryBudget(REQUEST), []
    fields = () if requested_wait is None else ((name, b"%g" % requested_wait),)
    head = Head(status, fields, seconds)
    while step := budget.after_status(head, requested_wait):
        assert step.request is REQUEST
        pauses.append(step.delay)
    return pauses


def test_only_these_statuses_are_retried() -> None:
    assert {status for status in range(200, 600) if pauses_after_status(status)} == RETRYABLE


def test_status_is_retried_at_most_twice() -> None:
    assert {status: len(pauses_after_status(status)) for status in RETRYABLE} == {
        status: 1 if status in {408, 409} else 2 for status in RETRYABLE
    }


@pytest.mark.parametrize("status", sorted(RETRYABLE))
def test_late_status_is_not_retried(status: int) -> None:
    """The upstream may have worked on the request, and would be paid twice."""
    early = pauses_after_status(status, seconds=EARLY_SECONDS)
    assert early == pauses_after_status(status)
    assert pauses_after_status(status, seconds=EARLY_SECONDS + 0.01) == []


@pytest.mark.parametrize("status", sorted(RETRYABLE))
@pytest.mark.parametrize("name", [b"retry-after", b"retry-after-ms", b"X-MS-Retry-After-MS"])
def test_late_status_that_names_a_wait_is_not_retried(status: int, name: bytes) -> None:
    """Gateways send it with the status of a request that a server worked on."""
    assert pauses_after_status(status, 3.0, EARLY_SECONDS + 0.01, name) == []
    assert pauses_after_status(status, 0.0, 60.0, name) == []


def test_only_a_refusal_may_be_repaired_late() -> None:
    for status in range(400, 600):
        assert may_be_repaired(Head(status, seconds=EARLY_SECONDS))
        assert may_be_repaired(Head(status, seconds=60.0)) is (status < 500)


def test_time_counts_for_each_try() -> None:
    budget = RetryBudget(REQUEST)
    assert budget.after_status(Head(500, seconds=0.1), None) == Send(REQUEST, 0.5)
    assert budget.after_status(Head(500, seconds=2.0), None) is None


@pytest.mark.parametrize(
    ("requested_wait", "pauses"),
    [(None, [0.5, 1.0]), (0.0, [0.5, 1.0]), (3.0, [3.0, 3.0]), (8.0, [8.0, 8.0]), (8.1, [])],
)
def test_requested_wait_extends_the_pause_up_to_a_limit(
    requested_wait: float | None, pauses: list[float]
) -> None:
    assert pauses_after_status(503, requested_wait) == pauses


@pytest.mark.parametrize("kind", FaultKind)
def test_only_a_failed_connect_is_retried_and_once(kind: FaultKind) -> None:
    budget = RetryBudget(REQUEST)
    retried = kind is FaultKind.CONNECT
    assert budget.after_fault(Fault(kind, "x")) == (Send(REQUEST, 0.5) if retried else None)
    assert budget.after_fault(Fault(kind, "x")) is None


def test_budget_is_shared_by_statuses_and_faults() -> None:
    budget = RetryBudget(REQUEST)
    assert budget.after_fault(Fault(FaultKind.CONNECT, "x")) == Send(REQUEST, 0.5)
    assert budget.after_status(Head(503), None) == Send(REQUEST, 1.0)
    assert budget.after_status(Head(503), None) is None


def test_pauses_grow() -> None:
    for pauses in (*PAUSES.values(), *FAULT_PAUSES.values()):
        assert list(pauses) == sorted(pauses)


def test_target_is_adapted_once_per_change() -> None:
    store = MemoryTraits()
    learning = LearningTarget(TARGET, store)
    assert learning.current() == (NO_TRAITS, TARGET)
    assert learning.current()[1] is TARGET
    store.learn(TARGET.traits_scope, [Trait("strict_tools", False)], ["digest"])
    traits, target = learning.current()
    assert not target.profile.strict_tools
    assert traits.refused_items == ("digest",)
    assert learning.current()[1] is target


def test_traits_of_one_model_do_not_apply_to_another() -> None:
    store = MemoryTraits()
    store.learn(TARGET.traits_scope, [Trait("strict_tools", False)], [])
    for other in (
        replace(TARGET, model="small"),
        replace(TARGET, origin=Origin("https", "other.test", 443)),
        replace(TARGET, protocol=Protocol.MESSAGES),
    ):
        assert LearningTarget(other, store).current()[1] is other
