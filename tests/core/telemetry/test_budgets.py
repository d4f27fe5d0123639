"""Budgets: sums are never negative, a turn that does not fit is refused, a lifted budget applies again by itself."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from addons.core.telemetry.budgets import (
    FREE,
    MAX_LIFT_SECONDS,
    MEAN_TURNS,
    Ask,
    Budget,
    Cost,
    OutputMeans,
    Payer,
    Per,
    Refusal,
    Spending,
    amount_text,
    dump_lifts,
    estimated_tokens,
    nearly_used_up,
    parse_lifts,
    refusals,
    scope_of,
)

DAY, NEXT = "2026-11-30", "2026-12-01"
ME = Payer("row", "t1", "t1")
CHILD = Payer("row", "t2", "t1")
FIVE = Budget("day-dollars", "day", "dollars", 5.0)
TOKENS = Budget("few", "day", "tokens", 100)
PERS: tuple[Per, ...] = ("day", "thread", "agent", "model")
COSTS = st.builds(
    Cost, st.integers(-(2**60), 2**60), st.none() | st.floats(allow_nan=True, allow_infinity=True)
)
PAYERS = st.builds(
    Payer, st.sampled_from("ab"), st.sampled_from(["", "t1", "t2"]), st.sampled_from(["", "t1"])
)


def refused(
    budget: Budget,
    cost: Cost,
    spending: Spending | None = None,
    payer: Payer = ME,
    running: list[tuple[Payer, Cost]] | None = None,
) -> Refusal | None:
    ask = Ask(payer, cost, DAY, running or [])
    return next(refusals([budget], spending or Spending(), ask), None)


def spent(*turns: tuple[Payer, Cost]) -> Spending:
    spending = Spending()
    for payer, cost in turns:
        spending.add(payer, cost, DAY)
    return spending


@given(st.lists(st.tuples(PAYERS, COSTS, st.sampled_from([DAY, NEXT]))))
@example([(ME, Cost(0, 1e308), DAY), (ME, Cost(0, 1e308), DAY)])
def test_sums_are_finite_and_never_negative(turns: list[tuple[Payer, Cost, str]]) -> None:
    spending = Spending()
    for payer, cost, day in turns:
        spending.add(payer, cost, day)
    for per in PERS:
        for budget in (Budget("x", per, "dollars", 1.0), Budget("y", per, "tokens", 1.0, "a")):
            for day in (DAY, NEXT):
                assert 0 <= spending.highest(budget, day)[0] < float("inf")


@given(
    st.lists(st.floats(0, 3)),
    st.floats(0.001, 3),
    st.lists(st.floats(0, 1), max_size=3),
)
def test_turn_is_admitted_exactly_while_it_fits(
    before: list[float], needed: float, running: list[float]
) -> None:
    spending = spent(*((ME, Cost(0, one)) for one in before))
    found = refused(FIVE, Cost(0, needed), spending, running=[(ME, Cost(0, r)) for r in running])
    total = spending.spent(FIVE, ("day", DAY))
    fits = total < FIVE.limit and total + sum(running) + needed <= FIVE.limit
    assert (found is None) is fits


@given(st.dictionaries(st.text(), st.floats(-1e9, 1e9)), st.floats(0, 1e9))
def test_lift_is_read_until_it_ends(lifts: dict[str, float], now: float) -> None:
    found = parse_lifts(dump_lifts(lifts), now)
    expected = {name for name, until in lifts.items() if now < until <= now + MAX_LIFT_SECONDS}
    assert found.keys() == expected
    for until in found.values():
        assert parse_lifts(dump_lifts(lifts), until).keys() < expected


@given(st.binary())
def test_reading_of_lifts_is_total(data: bytes) -> None:
    parse_lifts(data, 0.0)


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{", b'{"a": "b", "c": true, "d": null}'])
def test_unusable_lifts_lift_nothing(data: bytes | None) -> None:
    assert parse_lifts(data, 0.5) == ({"c": 1.0} if data and b"true" in data else {})


@pytest.mark.parametrize(
    ("per", "payer", "scope"),
    [
        ("day", CHILD, ("day", DAY)),
        ("model", CHILD, ("model", DAY, "row")),
        ("thread", CHILD, ("thread", "t1")),
        ("agent", CHILD, ("agent", "t2")),
        ("thread", Payer("row"), None),
        ("agent", Payer("row"), None),
    ],
)
def test_scope_of_a_turn(per: Per, payer: Payer, scope: tuple[str, ...] | None) -> None:
    assert scope_of(per, payer, DAY) == scope


def test_new_day_begins_with_nothing_spent_and_threads_go_on() -> None:
    spending = spent((ME, Cost(10, 1.0)))
    spending.add(Payer("other", "t9", "t9"), Cost(1, 0.25), NEXT)
    thread = Budget("t", "thread", "dollars", 5.0)
    assert spending.highest(FIVE, NEXT) == (0.25, NEXT)
    assert spending.highest(FIVE, DAY) == (0.0, "")
    assert spending.highest(thread, NEXT) == (1.0, "t1")


def test_thread_counts_its_sub_agents_and_an_agent_only_itself() -> None:
    spending = spent((ME, Cost(10, 1.0)), (CHILD, Cost(20, 2.0)))
    assert spending.highest(Budget("t", "thread", "dollars", 5.0), DAY) == (3.0, "t1")
    assert spending.highest(Budget("a", "agent", "tokens", 5.0), DAY) == (20, "t2")


def test_budget_of_a_model_counts_and_refuses_only_its_turns() -> None:
    spending = spent((ME, Cost(10, 4.0)), (Payer("other", "t1", "t1"), Cost(10, 4.0)))
    only = Budget("x", "day", "dollars", 4.5, "row")
    assert refused(only, Cost(1, 0.6), spending)
    assert refused(only, Cost(1, 0.4), spending) is None
    assert refused(only, Cost(1, 9.0), spending, Payer("other", "t1", "t1")) is None


def test_running_turns_of_other_scopes_do_not_count() -> None:
    budget = Budget("a", "agent", "dollars", 1.0)
    assert refused(budget, Cost(1, 0.6), running=[(CHILD, Cost(1, 0.6))]) is None
    found = refused(budget, Cost(1, 0.6), running=[(ME, Cost(1, 0.6)), (CHILD, Cost(1, 9.0))])
    assert found
    assert found.running == 0.6


def test_free_turn_is_refused_by_no_budget_in_dollars_but_by_one_in_tokens() -> None:
    spending = spent((ME, Cost(200, 9.0)))
    assert refused(FIVE, FREE, spending) is None
    assert refused(TOKENS, FREE, spending)


def test_unknown_price_is_refused_unless_it_is_allowed() -> None:
    found = refused(FIVE, Cost(1, None))
    assert found
    assert "the price of row is unknown" in found.problem.message
    assert "`codex-shim budget lift day-dollars --for 1h`" in found.problem.message
    allowing = Budget("x", "day", "dollars", 5.0, unknown_price="allow")
    assert refused(allowing, Cost(1, None)) is None
    assert refused(TOKENS, Cost(1, None)) is None


def test_problem_names_the_budget_what_was_spent_and_the_command() -> None:
    spending = spent((ME, Cost(10, 4.98)))
    found = refused(FIVE, Cost(1, 0.05), spending, running=[(ME, Cost(1, 0.1))])
    assert found
    assert found.problem.message == (
        "The budget day-dollars ($5.00 per day) is used up: $4.98 spent, running turns may cost $0.10, and this request "
        "would cost about $0.05. Nothing was sent. Lift the budget with "
        "`codex-shim budget lift day-dollars --for 1h`, or change `budgets` in models.json."
    )
    assert (found.problem.status, found.problem.code) == (429, "budget_exceeded")


@pytest.mark.parametrize(("dollars", "is_near"), [(3.99, False), (4.0, True), (6.0, True)])
def test_warning_begins_at_four_fifths(dollars: float, is_near: bool) -> None:
    found = list(nearly_used_up([FIVE], spent((ME, Cost(1, dollars))), ME, DAY))
    assert found == ([(FIVE, dollars)] if is_near else [])


def test_sums_that_were_not_used_for_longest_are_dropped() -> None:
    spending = Spending(max_scopes=6)
    for number in range(9):
        spending.add(Payer("row", f"t{number}", f"t{number}"), Cost(1, 1.0), DAY)
    assert spending.spent(FIVE, ("day", DAY)) == 9.0
    assert spending.spent(FIVE, ("thread", "t0")) == 0.0
    assert spending.spent(FIVE, ("thread", "t8")) == 1.0


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        (b"", 0),
        (b"abcde", 2),
        (b"x" * 4000, 1000),
        (b'{"url":"data:image/png;base64,' + b"A" * 90_000 + b'"}', 6 + 1_500),
        (b";base64,AAAA", 3),
    ],
)
def test_estimate_counts_bytes_of_text_and_pictures_as_one_each(body: bytes, tokens: int) -> None:
    assert abs(estimated_tokens(body) - tokens) <= 2


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "$0.00"), (0.0034, "$0.0034"), (0.03, "$0.03"), (5, "$5.00"), (1234.5, "$1,234.50")],
)
def test_dollars_as_text(amount: float, text: str) -> None:
    assert amount_text(amount, "dollars") == text


def test_tokens_as_text() -> None:
    assert amount_text(2_000_000, "tokens") == "2,000,000 tokens"


def test_file_of_lifts_is_json() -> None:
    assert orjson.loads(dump_lifts({"a": 1.5})) == {"a": 1.5}


def test_expected_output_follows_the_last_turns_of_a_model() -> None:
    one, other = ("openai", "a"), ("openai", "b")
    means = OutputMeans({other: 500.0})
    assert (means.expected(one), means.expected(other)) == (0, 500)
    for tokens in (100, 300):
        means.add(one, tokens)
    assert means.expected(one) == 200
    for _ in range(5 * MEAN_TURNS):
        means.add(one, 1_000)
        means.add(other, -1)
    assert means.expected(one) > 990
    assert 0 <= means.expected(other) < 10
