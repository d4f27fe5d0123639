"""The circuit breaker of a route: states, pauses, resets, and whom it belongs to."""

from hypothesis import given
from hypothesis import strategies as st

from addons.core.routes import (
    BASE_SECONDS,
    FAILURES_TO_OPEN,
    MAX_SECONDS,
    TRIAL_SECONDS,
    Cause,
    Circuit,
    Opening,
    State,
)

NOW = 1_000_000_000.0


def opened(cause: Cause = Cause.USED_UP, reset: float | None = None) -> Circuit:
    circuit = Circuit()
    for _ in range(FAILURES_TO_OPEN[cause]):
        circuit.failed(cause, NOW, reset)
    return circuit


def test_limit_opens_at_once_until_the_reset_of_the_upstream() -> None:
    circuit = opened(reset=NOW + 7_200)
    assert circuit.opening == Opening(Cause.USED_UP, NOW + 7_200, is_reset=True)
    assert not circuit.admits(NOW + 7_199)
    assert circuit.state(NOW + 7_199) is State.OPEN
    assert circuit.admits(NOW + 7_200)


def test_errors_of_the_server_open_it_at_the_third_in_a_row() -> None:
    for cause in (Cause.FAILING, Cause.UNREACHABLE):
        circuit = Circuit()
        circuit.failed(cause, NOW)
        circuit.failed(cause, NOW)
        assert circuit.state(NOW) is State.CLOSED
        circuit.succeeded()
        circuit.failed(cause, NOW)
        circuit.failed(cause, NOW)
        assert circuit.admits(NOW)
        circuit.failed(cause, NOW)
        assert not circuit.admits(NOW)


def test_refused_login_opens_at_once() -> None:
    assert not opened(Cause.LOGIN).admits(NOW)


def test_one_turn_tries_a_half_open_route() -> None:
    circuit, later = opened(), NOW + BASE_SECONDS
    assert [circuit.admits(later) for _ in range(3)] == [True, False, False]
    assert circuit.state(later) is State.HALF_OPEN


def test_trial_whose_client_left_does_not_keep_the_route_closed_off() -> None:
    circuit, later = opened(), NOW + BASE_SECONDS
    assert circuit.admits(later)
    assert not circuit.admits(later + TRIAL_SECONDS - 1)
    assert circuit.admits(later + TRIAL_SECONDS)


def test_success_closes_it_and_forgets_the_pauses() -> None:
    circuit = opened()
    circuit.failed(Cause.USED_UP, NOW + BASE_SECONDS)
    circuit.succeeded()
    assert circuit.state(NOW) is State.CLOSED
    circuit.failed(Cause.USED_UP, NOW)
    assert circuit.opening == Opening(Cause.USED_UP, NOW + BASE_SECONDS, is_reset=False)


def test_each_failed_trial_doubles_the_pause_up_to_a_bound() -> None:
    circuit, now, pauses = opened(Cause.FAILING), NOW, []
    for _ in range(8):
        opening = circuit.opening
        assert opening
        pauses.append(opening.until - now)
        now = opening.until
        assert circuit.admits(now)
        circuit.failed(Cause.FAILING, now)
    assert pauses[:4] == [BASE_SECONDS, 2 * BASE_SECONDS, 4 * BASE_SECONDS, 8 * BASE_SECONDS]
    assert pauses[-1] == MAX_SECONDS


def test_late_failure_of_an_earlier_turn_does_not_prolong_it() -> None:
    circuit = opened(reset=NOW + 60)
    circuit.failed(Cause.FAILING, NOW + 30)
    assert circuit.opening == Opening(Cause.USED_UP, NOW + 60, is_reset=True)


def test_reset_in_the_past_or_in_years_is_not_believed() -> None:
    for reset in (NOW - 1, NOW, NOW + 400 * 86_400):
        assert opened(reset=reset).opening == Opening(
            Cause.USED_UP, NOW + BASE_SECONDS, is_reset=False
        )


def test_another_account_starts_closed() -> None:
    account = ["a"]
    circuit = Circuit(lambda: account[0])
    circuit.failed(Cause.USED_UP, NOW, NOW + 1_000)
    assert not circuit.admits(NOW)
    account[0] = "b"
    assert circuit.admits(NOW)
    assert circuit.state(NOW) is State.CLOSED


def test_failures_of_another_account_are_not_counted() -> None:
    account = ["a"]
    circuit = Circuit(lambda: account[0])
    circuit.failed(Cause.FAILING, NOW)
    circuit.failed(Cause.FAILING, NOW)
    account[0] = "b"
    circuit.failed(Cause.FAILING, NOW)
    assert circuit.admits(NOW)
    circuit.failed(Cause.USED_UP, NOW, NOW + 1_000)
    account[0] = "c"
    circuit.failed(Cause.LOGIN, NOW)
    assert circuit.opening == Opening(Cause.LOGIN, NOW + BASE_SECONDS, is_reset=False)


@given(st.lists(st.tuples(st.sampled_from([*Cause, None]), st.floats(0, 400)), max_size=40))
def test_circuit_always_lets_a_turn_through_again(events: list[tuple[Cause | None, float]]) -> None:
    """Whatever happens, the longest pause and one lost trial later a turn asks the upstream."""
    circuit, now = Circuit(), NOW
    for cause, seconds in events:
        now += seconds
        circuit.admits(now)
        if cause is None:
            circuit.succeeded()
        else:
            circuit.failed(cause, now)
    assert circuit.admits(now + MAX_SECONDS + TRIAL_SECONDS)


def test_answer_to_an_earlier_turn_does_not_close_it() -> None:
    """james-6-23/codex2api#376: a long turn ends well after another one has met the limit."""
    circuit = Circuit()
    early = circuit.asked
    circuit.failed(Cause.USED_UP, NOW, NOW + 3_600)
    circuit.succeeded(early)
    assert circuit.state(NOW) is State.OPEN
    circuit.succeeded(circuit.asked)
    assert circuit.state(NOW) is State.CLOSED


def test_late_failure_of_an_earlier_turn_is_no_failed_trial() -> None:
    circuit = Circuit()
    early = circuit.asked
    circuit.failed(Cause.USED_UP, NOW, NOW + 60)
    circuit.failed(Cause.FAILING, NOW + 61, None, early)
    assert circuit.admits(NOW + 61)
    circuit.failed(Cause.USED_UP, NOW + 61, NOW + 90, early)
    assert not circuit.admits(NOW + 89)


def test_trial_that_asks_nobody_leaves_it_to_the_next_turn() -> None:
    circuit, later = opened(), NOW + BASE_SECONDS
    early = Circuit().asked
    assert circuit.admits(later)
    circuit.trial_ended(early)
    assert not circuit.admits(later)
    circuit.trial_ended(circuit.asked)
    assert [circuit.admits(later) for _ in range(2)] == [True, False]
