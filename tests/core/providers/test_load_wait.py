"""How long a turn waits for a server on this machine, and for what."""

from __future__ import annotations

from dataclasses import replace

from addons.core.providers.load_wait import MAX_PAUSE, LoadBound, LoadWait
from addons.core.secrets import Origin
from addons.core.turn import Fault, FaultKind, Head, Send
from addons.core.upstream.local.state import LocalServer
from tests.core.providers.rows import ROUTE, request
from tests.core.providers.translated_turns import provider_with

SERVER = LocalServer("vllm", Origin("http", "127.0.0.1", 8000))
BOUND = LoadBound(SERVER, 10.0)
REFUSED = Fault(FaultKind.CONNECT, "connection refused")


def pauses(bound: LoadBound, *, now: float = 0.0, refused: bool = True) -> list[float]:
    """Return the pauses of a turn that begins now, if each try takes no time."""
    wait = LoadWait(bound)
    found: list[float] = []
    while True:
        pause = wait.after_fault(REFUSED, now) if refused else wait.after_status(Head(503), now)
        if pause is None:
            return found
        found.append(pause)
        now += pause


def test_pauses_grow_and_their_sum_is_the_bound() -> None:
    for refused in (True, False):
        found = pauses(BOUND, refused=refused)
        assert (sum(found), max(found), found[0]) == (10.0, MAX_PAUSE, 0.5)


def test_server_that_was_seen_down_is_waited_for_only_until_the_bound_after_that() -> None:
    assert sum(pauses(replace(BOUND, starts_until=4.0))) == 4.0
    assert pauses(replace(BOUND, starts_until=-1.0)) == []
    assert sum(pauses(replace(BOUND, starts_until=-1.0), refused=False)) == 10.0


def test_route_with_a_fallback_waits_for_loading_and_not_for_a_start() -> None:
    bound = replace(BOUND, waits_for_start=False)
    assert pauses(bound) == []
    assert sum(pauses(bound, refused=False)) == 10.0


def test_nothing_else_is_waited_for() -> None:
    wait = LoadWait(BOUND)
    assert {s for s in range(200, 600) if wait.after_status(Head(s), 0.0) is not None} == {503}
    kinds = [k for k in FaultKind if LoadWait(BOUND).after_fault(Fault(k, ""), 0.0) is not None]
    assert kinds == [FaultKind.CONNECT]


def test_wait_ends_although_the_clock_is_set_back() -> None:
    wait, now = LoadWait(BOUND), 1_000_000.0
    slept = 0.0
    while (pause := wait.after_status(Head(503), now)) is not None:
        slept, now = slept + pause, now + pause
        if slept == 0.5:
            now -= 86_400.0
        assert slept <= BOUND.seconds
    assert wait.is_over


def test_turn_that_waits_for_a_model_counts_as_no_retry() -> None:
    """It would take the retries of the others for minutes."""
    provider = provider_with(load=BOUND)
    plan = provider.plan(request(), ROUTE)
    plan.start()
    assert isinstance(plan.on_head(Head(502)), Send)
    assert provider.retries.retrying == 1
    assert isinstance(plan.on_head(Head(503)), Send)
    assert provider.retries.retrying == 0


def test_error_names_the_server_the_wait_and_the_command() -> None:
    wait = LoadWait(BOUND)
    early = wait.fault_problem(REFUSED)
    for now in (0.0, 11.0):
        wait.after_fault(REFUSED, now)
    late, loading = wait.fault_problem(REFUSED), wait.problem()
    start = "vLLM at 127.0.0.1:8000 does not answer: connection refused."
    assert early
    assert late
    assert early.message == f"{start} Start it: vllm serve MODEL"
    assert late.message == f"{start} The turn waited 10 s for it. Start it: vllm serve MODEL"
    assert loading.message.startswith(
        "vLLM at 127.0.0.1:8000 was still loading its model after 10 s."
    )
    assert wait.fault_problem(Fault(FaultKind.RESET, "")) is None
