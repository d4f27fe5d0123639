"""Where hooks run, and how their ends are waited for."""

from __future__ import annotations

from concurrent.futures import Future

from addons.adapters.hooks.stage import StagedTranslator
from addons.adapters.hooks.turns import EndReports, HookedTurns, TurnRunner
from addons.adapters.hooks.worker import HookLoop, HookWorker
from addons.core.hooks.chain import Hook
from addons.core.hooks.events import unmasked
from addons.core.hooks.values import End
from addons.core.limits import MIB, Limits
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import ClientRequest, Prepare
from tests.core.hooks.test_chain import END

SMALL = ClientRequest("POST", "/v1/responses", (), b'{"model":"m"}')


def runner(*hooks: Hook) -> TurnRunner:
    return TurnRunner(hooks, Limits(), HookWorker(HookLoop()), EndReports())


def test_hooks_see_any_request_in_the_thread() -> None:
    assert runner(Hook("h", lambda turn: turn)).needs_thread(SMALL)


def test_answers_pass_the_stage_if_a_hook_sees_them() -> None:
    sees = runner(Hook("h", on_event=lambda _, event: event))
    assert sees.sees_events
    assert isinstance(sees.around(StreamObserver(MIB), unmasked), StagedTranslator)
    assert not runner(Hook("h", lambda turn: turn)).sees_events


async def test_ends_are_reported_in_the_thread_and_waited_for() -> None:
    told: list[End] = []
    hooks = [Hook("h", on_end=lambda _, end: told.append(end))]
    turns = HookedTurns(hooks, Limits)
    plan = turns.plan(SMALL, lambda _: (_ for _ in ()).throw(AssertionError))
    step = plan.start()
    assert isinstance(step, Prepare)
    await step.work()
    plan.ended()  # type: ignore[attr-defined]
    turns.close()
    assert [end.outcome for end in told] == ["failed"]


def test_reports_are_forgotten_when_they_return() -> None:
    reports, done = EndReports(), Future[object]()
    reports.add(done)
    done.set_result(None)
    reports.wait()
    assert END.outcome == "complete"
