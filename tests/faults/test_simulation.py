"""The simulation finds planted defects, repeats itself, and finds nothing in the engine as it is.

The long run: `uv run python -m benchmarks.simulation --events 10000000`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson
import pytest

from addons.adapters.ledger.budget_keeper import BudgetKeeper
from addons.core import routes
from addons.core.protocols.responses.notice import NoticeTranslator
from addons.core.protocols.responses.stream_translator import StreamTranslator
from addons.core.providers import fallback
from addons.core.providers.fallback import FallbackPlan
from addons.core.routes import Circuit, OneStepPlan
from addons.core.telemetry.budgets import Spending
from addons.core.turn import ClientRequest, Fault, Plan, Step
from addons.proxy.engine.attempt import Attempt
from benchmarks.simulation import rows
from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.episode import FAILOVER_SHARE, run_episode
from benchmarks.simulation.host import SimulatedEngine
from benchmarks.simulation.rows import Rows
from benchmarks.simulation.watch import PLAN

EPISODES = range(1000)
FAILOVERS = [seed for seed in EPISODES if Clock(seed).chance(FAILOVER_SHARE)]
"""Episodes with fallbacks and budgets."""


def test_short_run_has_no_violation() -> None:
    for seed in range(60):
        run_episode(seed)


def test_equal_seeds_give_equal_runs() -> None:
    first, second = run_episode(17)[0], run_episode(17)[0]
    assert first.events == second.events
    assert list(first.trace) == list(second.trace)


def first_violation(seeds: Iterable[int] = EPISODES) -> str:
    for seed in seeds:
        try:
            run_episode(seed)
        except ViolationError as error:
            return str(error)
    return ""


def test_second_payment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Attempt, "is_within_round_trip", property(lambda self: self.reused))
    assert "was sent again" in first_violation()


def test_missing_terminal_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamTranslator, "fail", lambda *_: b"")
    assert "terminal events []" in first_violation()


def test_turn_that_stays_alive_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedEngine, "forget", lambda *_: None)
    assert "live turns are left" in first_violation()


def test_cut_answer_that_is_completed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    done = b'event: response.completed\ndata: {"type":"response.completed"}\n\n'
    monkeypatch.setattr(StreamTranslator, "fail", lambda *_: done)
    assert "was completed, but its upstream sent" in first_violation()


def test_answer_of_another_turn_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    feed: Callable[[StreamTranslator, bytes], bytes] = StreamTranslator.feed
    deltas: list[bytes] = []

    def mixed(translator: StreamTranslator, data: bytes) -> bytes:
        translated = feed(translator, data)
        if b"output_text.delta" in translated:
            deltas.append(translated)
            return deltas[0]
        return translated

    monkeypatch.setattr(StreamTranslator, "feed", mixed)
    assert "has text of the turns" in first_violation()


# Circuits and budgets ---------------------------------------------------------------------------------------


def test_circuit_that_never_opens_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Circuit, "admits", lambda *_: True)
    assert "before its reset" in first_violation(FAILOVERS)


def test_reset_that_comes_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "reset_of", lambda _head, _body, now: now + 0.1)
    assert "before its reset" in first_violation(FAILOVERS)


def test_limit_inside_a_stream_that_is_not_noticed_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FallbackPlan, "_hold", lambda *_: None)
    assert "asked the" in first_violation(FAILOVERS)


def test_second_trial_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "TRIAL_SECONDS", 0.0)
    assert "the half-open plan while turn" in first_violation(FAILOVERS)


def test_trial_that_is_given_away_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FallbackPlan, "_started", lambda plan, step: plan._end_trial() or step)
    assert "the half-open plan while turn" in first_violation(FAILOVERS)


def test_circuit_that_stays_open_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Circuit, "succeeded", lambda *_: None)
    assert "although the plan answers" in first_violation(FAILOVERS)


def test_circuit_that_an_earlier_turn_closes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Circuit, "_is_stale", lambda *_: False)
    assert "before its reset" in first_violation(FAILOVERS)


def test_fallback_that_nobody_named_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rows.FALLBACKS, PLAN, ("chat", rows.LOCAL))
    assert "is no fallback of it" in first_violation(FAILOVERS)


def test_fallback_after_an_answer_has_begun_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def falls_back(plan: FallbackPlan, fault: Fault) -> Step:
        plan._held = None
        return on_fault(plan, fault)

    on_fault = FallbackPlan.on_fault
    monkeypatch.setattr(FallbackPlan, "on_fault", falls_back)
    assert "was sent again" in first_violation(FAILOVERS)


def test_notice_that_swallows_the_terminal_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoticeTranslator, "_closed", lambda *_: b"")
    monkeypatch.setattr(NoticeTranslator, "fail", lambda *_: b"")
    assert "terminal events []" in first_violation(FAILOVERS)


def test_budget_that_is_not_checked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BudgetKeeper, "_refused", lambda *_: None)
    assert "tokens of 1200 were spent" in first_violation(FAILOVERS)


def test_turn_that_is_not_counted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spending, "add", lambda *_: None)
    assert "tokens of 1200 were spent" in first_violation(FAILOVERS)


def test_refused_turn_that_is_sent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def sends(rows: Rows, request: ClientRequest) -> Plan:
        answer = plan(rows, request)
        route = rows._table.routes[orjson.loads(request.body)["model"]]
        return route.make_plan(request, route) if isinstance(answer, OneStepPlan) else answer

    plan = Rows.plan
    monkeypatch.setattr(Rows, "plan", sends)
    assert "although its budget refused it" in first_violation(FAILOVERS)
