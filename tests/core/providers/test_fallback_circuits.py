"""Circuits of routes with fallbacks: which turns ask an upstream again, and what a failed turn says about it."""

from dataclasses import replace

from addons.core.providers.fallback import (
    FallbackPlan,
)
from addons.core.routes import Circuit
from addons.core.turn import (
    Head,
    Send,
)
from tests.core.providers.fallback_turns import (
    LOST,
    NOW,
    REFUSED,
    USED_UP,
    USER_MESSAGE,
    Scripted,
    Setup,
    announced,
    begun,
    body,
    host,
    refused,
    route,
    sent_request,
    shown,
)


def test_used_up_plan_is_asked_once_and_again_after_its_reset() -> None:
    setup = Setup()
    first = setup.turn()
    assert host(first.start()) == "a"
    assert host(refused(first, 429, USED_UP)) == "b"
    for _ in range(3):
        assert host(setup.turn().start()) == "b"
    setup.clock.now += 3_600
    assert host(setup.turn().start()) == "a"


def test_one_turn_at_a_time_tries_the_route_after_the_reset() -> None:
    setup = Setup()
    setup.turn().start()
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    trial = setup.turn()
    assert [host(plan.start()) for plan in (trial, setup.turn(), setup.turn())] == ["a", "b", "b"]
    trial.on_head(Head(200))
    assert host(setup.turn().start()) == "a"


def test_refusal_of_the_request_itself_closes_the_circuit() -> None:
    setup = Setup()
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    trial = setup.turn()
    assert host(trial.start()) == "a"
    assert refused(trial, 400) is REFUSED
    assert host(setup.turn().start()) == "a"


def test_reset_in_headers_counts_too() -> None:
    setup = Setup()
    refused(setup.turn(), 429, b"", (b"retry-after", b"120"))
    setup.clock.now += 119
    assert host(setup.turn().start()) == "b"
    setup.clock.now += 1
    assert host(setup.turn().start()) == "a"


def test_three_unreachable_turns_open_the_circuit() -> None:
    setup = Setup()
    for _ in range(3):
        plan = setup.turn()
        assert host(plan.start()) == "a"
        assert host(plan.on_fault(LOST)) == "b"
    assert host(setup.turn().start()) == "b"


def test_fallback_that_cannot_answer_is_not_asked_either() -> None:
    setup = Setup()
    plan = setup.turn()
    refused(plan, 429, USED_UP)
    assert host(refused(plan, 429, USED_UP)) == "c"
    assert host(setup.turn().start()) == "c"


def test_turn_is_not_refused_because_all_circuits_are_open() -> None:
    setup = Setup(others=[route("b")])
    plan = setup.turn()
    refused(plan, 429, USED_UP)
    refused(plan, 429, USED_UP)
    assert host(setup.turn().start()) == "a"


def test_route_without_a_login_is_replaced() -> None:
    setup = Setup(a=route("a", Scripted("a", first=REFUSED), hidden="no login"))
    assert host(setup.turn().start()) == "b"


def test_thread_stays_with_the_route_that_has_its_cache() -> None:
    setup = Setup()
    plan = setup.turn(b"one")
    refused(plan, 429, USED_UP)
    refused(plan, 503)
    plan.on_head(Head(200))
    assert host(setup.turn(b"one").start()) == "c"
    assert host(setup.turn(b"two").start()) == "b"
    setup.clock.now += 3_600
    back = setup.turn(b"one")
    assert host(back.start()) == "a"
    back.on_head(Head(200))
    refused(setup.turn(b"two"), 429, USED_UP)
    assert host(setup.turn(b"one").start()) == "b"


def test_success_of_a_warm_up_says_nothing_about_a_limit() -> None:
    setup = Setup()
    refused(setup.turn(), 429, USED_UP)
    warm_up = setup.turn(frame=b'{"generate":false}')
    assert host(warm_up.start()) == "a"
    warm_up.on_head(Head(200))
    assert host(setup.turn().start()) == "b"


def test_refusal_of_a_former_account_says_nothing_about_the_one_now() -> None:
    account = ["one"]
    setup = Setup(a=replace(route("a"), circuit=Circuit(lambda: account[0])))
    plan = setup.turn()
    plan.start()
    account[0] = "two"
    assert host(refused(plan, 429, USED_UP)) == "b"
    assert host(setup.turn().start()) == "a"


def test_answer_to_a_former_account_says_nothing_about_the_one_now() -> None:
    account = ["one"]
    setup = Setup(a=replace(route("a"), circuit=Circuit(lambda: account[0])))
    early = setup.turn()
    early.start()
    account[0] = "two"
    refused(setup.turn(), 429, USED_UP)
    early.on_head(Head(200))
    assert host(setup.turn().start()) == "b"


def test_reset_of_the_limit_counts_more_than_a_short_wait() -> None:
    setup = Setup()
    refused(setup.turn(), 429, USED_UP, (b"retry-after", b"1"))
    setup.clock.now += 3_599
    assert host(setup.turn().start()) == "b"


def test_used_up_windows_in_headers_say_when_the_limit_ends() -> None:
    """ChatGPT may leave `resets_at` out: the heads of its answers have the windows of the account."""
    setup, no_time = Setup(), b'{"error":{"type":"usage_limit_reached","message":"Used up"}}'
    windows = (
        (b"x-codex-primary-used-percent", b"100"),
        (b"x-codex-primary-reset-at", b"%d" % (NOW + 7_200)),
        (b"x-codex-secondary-used-percent", b"40"),
        (b"x-codex-secondary-reset-at", b"%d" % (NOW + 500_000)),
    )
    refused(setup.turn(), 429, no_time, *windows)
    setup.clock.now += 7_199
    assert host(setup.turn().start()) == "b"
    setup.clock.now += 1
    assert host(setup.turn().start()) == "a"


def test_limit_of_one_model_keeps_the_other_models_of_the_account_open() -> None:
    """ChatGPT counts some models apart: a fallback for the others would cost money for nothing."""
    account = Circuit()
    setup = Setup(a=replace(route("a"), circuit=account))
    plan = setup.turn(body=body(USER_MESSAGE))
    plan.start()
    limit = (b"x-codex-active-limit", b"codex_bengalfox")
    assert host(refused(plan, 429, USED_UP, limit)) == "b"
    assert "a is used up until " in shown(begun(plan))
    assert account.admits(NOW)
    refused(setup.turn(), 429, USED_UP, (b"x-codex-active-limit", b"premium"))
    assert not account.admits(NOW)


def unreachable(setup: Setup) -> None:
    """Open the circuit of the route for a time that its upstream has not named."""
    for _ in range(3):
        plan = setup.turn()
        plan.start()
        plan.on_fault(LOST)


def test_own_upstream_is_asked_after_all_when_no_fallback_answers() -> None:
    """It may be back: nobody but the shim has said that it is not."""
    setup = Setup(others=[route("b")])
    unreachable(setup)
    plan = setup.turn()
    assert isinstance(plan, FallbackPlan)
    assert host(plan.start()) == "b"
    assert host(refused(plan, 503)) == "a"
    notes = plan._request.notes
    assert (notes.route, notes.fallback) == ("a", "")
    assert announced(plan.on_head(Head(200))) is None
    assert host(setup.turn().start()) == "a"


def test_own_upstream_is_asked_once_when_it_does_not_answer_either() -> None:
    setup = Setup(others=[route("b")])
    unreachable(setup)
    plan = setup.turn()
    plan.start()
    assert host(refused(plan, 503)) == "a"
    assert plan.on_fault(LOST) is REFUSED


def test_own_upstream_is_not_asked_before_the_reset_that_it_has_named() -> None:
    setup = Setup(others=[route("b")])
    refused(setup.turn(), 429, USED_UP)
    plan = setup.turn()
    assert host(plan.start()) == "b"
    assert not isinstance(refused(plan, 503), Send)


def test_own_upstream_is_asked_after_all_when_its_reset_has_passed() -> None:
    """Another turn tries it, and may not be answered for long."""
    setup = Setup(others=[route("b")])
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    assert host(setup.turn().start()) == "a"
    plan = setup.turn()
    assert host(plan.start()) == "b"
    assert host(refused(plan, 503)) == "a"


def test_trial_that_the_plan_answers_itself_leaves_it_to_the_next_turn() -> None:
    """A key that is missing, or a request that cannot be read: the upstream is not asked."""
    own = Scripted("a")
    setup = Setup(a=route("a", own))
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    own.first = REFUSED
    assert setup.turn().start() is REFUSED
    own.first = None
    assert [host(setup.turn().start()) for _ in range(2)] == ["a", "b"]


def test_fallback_that_answers_by_itself_is_no_trial_either() -> None:
    second = Scripted("b")
    setup = Setup(others=[route("b", second), route("c")])
    plan = setup.turn()
    refused(plan, 429, USED_UP)
    refused(plan, 429, USED_UP)
    setup.clock.now += 3_600
    assert host(setup.turn().start()) == "a"
    second.first = REFUSED
    assert host(setup.turn().start()) == "c"
    second.first = None
    assert host(setup.turn().start()) == "b"


def test_trial_whose_client_has_left_leaves_it_to_the_next_turn() -> None:
    setup = Setup()
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    trial = setup.turn()
    assert isinstance(trial, FallbackPlan)
    assert host(trial.start()) == "a"
    other = setup.turn()
    assert isinstance(other, FallbackPlan)
    assert host(other.start()) == "b"
    other.ended()
    assert host(setup.turn().start()) == "b"
    trial.ended()
    assert host(setup.turn().start()) == "a"


def test_trial_that_looks_at_the_login_again_and_answers_is_none() -> None:
    first = Send(sent_request("a"), 0.1, lambda: REFUSED)
    setup = Setup(a=route("a", Scripted("a", first=first)))
    refused(setup.turn(), 429, USED_UP)
    setup.clock.now += 3_600
    step = setup.turn().start()
    assert isinstance(step, Send)
    assert step.decide
    assert step.decide() is REFUSED
    assert host(setup.turn().start()) == "a"


def test_turn_that_was_answered_before_the_limit_closes_nothing() -> None:
    """james-6-23/codex2api#376."""
    setup = Setup()
    early = setup.turn(b"early")
    early.start()
    refused(setup.turn(), 429, USED_UP)
    early.on_head(Head(200))
    assert host(setup.turn().start()) == "b"
