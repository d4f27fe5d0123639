"""Where the hooks of users and of this program run, and how their ends are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from addons.adapters.hooks.stage import StagedTranslator
from addons.adapters.hooks.turns import (
    LARGE_BODY,
    EndReports,
    HookedTurns,
    HookSet,
    TurnRunner,
)
from addons.adapters.hooks.worker import HookLoop, HookWorker
from addons.core.hooks.chain import Hook
from addons.core.hooks.events import unmasked
from addons.core.hooks.inline import HookedTranslator
from addons.core.hooks.values import End, Turn
from addons.core.limits import MIB, Limits
from addons.core.protocols.responses.observer import StreamObserver
from addons.core.turn import ClientRequest, Prepare
from tests.core.hooks.test_chain import END

SMALL = ClientRequest("POST", "/v1/responses", (), b'{"model":"m"}')
LARGE = ClientRequest("POST", "/v1/responses", (), b'{"model":"m"}' + b" " * LARGE_BODY)


def note_thread(seen: list[threading.Thread]) -> Callable[[Turn], Turn]:
    def on_turn(turn: Turn) -> Turn:
        seen.append(threading.current_thread())
        return turn

    return on_turn


def runner(*, users: tuple[Hook, ...] = (), built_in: tuple[Hook, ...] = ()) -> TurnRunner:
    return TurnRunner(HookSet(users, built_in), Limits(), HookWorker(HookLoop()), EndReports())


def test_only_hooks_of_the_program_see_a_small_request_where_the_turn_is() -> None:
    seen: list[threading.Thread] = []
    hook = Hook("h", note_thread(seen))
    built_in = runner(built_in=(hook,))
    assert not built_in.needs_thread(SMALL)
    assert built_in.needs_thread(LARGE)
    assert built_in.begin_now(SMALL) is SMALL
    assert seen == [threading.current_thread()]
    assert runner(users=(hook,)).needs_thread(SMALL)


def test_answers_pass_by_the_translators_that_their_hooks_need() -> None:
    sees = Hook("h", on_event=lambda _, event: event)
    for users, built_in, kind in (((), (sees,), HookedTranslator), ((sees,), (), StagedTranslator), ((sees,), (sees,), StagedTranslator)):  # fmt: skip
        made = runner(users=users, built_in=built_in)
        assert made.sees_events
        assert type(made.around(StreamObserver(MIB), unmasked)) is kind
    assert not runner(users=(Hook("h", lambda turn: turn),)).sees_events


async def test_ends_are_reported_in_the_thread_and_waited_for() -> None:
    told: list[End] = []
    hooks = HookSet(users=(Hook("h", on_end=lambda _, end: told.append(end)),))
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


def test_set_without_hooks_is_false() -> None:
    assert not HookSet()
    assert HookSet(built_in=(Hook("h"),))
