"""The limit of the retries that the turns of one route make at the same time."""

from __future__ import annotations

from addons.core.routes import MIN_CONCURRENCY, SHARE, RouteRetries, TurnRetries


def running(route: RouteRetries, count: int) -> list[TurnRetries]:
    turns = [TurnRetries(route) for _ in range(count)]
    for turn in turns:
        turn.begin()
        turn.begin()
    return turns


def test_few_turns_may_retry_up_to_a_minimum() -> None:
    turns = running(RouteRetries(), 12)
    assert [turn.retry() for turn in turns] == [True] * MIN_CONCURRENCY + [False] * 9


def test_many_turns_may_retry_up_to_their_share() -> None:
    turns = running(RouteRetries(), 50)
    assert sum(turn.retry() for turn in turns) == SHARE * 50 == 10


def test_turn_may_retry_again_when_its_last_retry_has_failed() -> None:
    turns = running(RouteRetries(), 4)
    for turn in turns[:MIN_CONCURRENCY]:
        assert turn.retry()
    assert turns[0].retry()
    assert not turns[3].retry()


def test_retry_counts_until_its_outcome_is_known_or_its_turn_ends() -> None:
    route = RouteRetries()
    turns = running(route, 5)
    for turn in turns[:3]:
        turn.retry()
    turns[0].settle()
    assert turns[3].retry()
    assert not turns[4].retry()
    turns[1].end()
    assert turns[4].retry()
    for turn in turns:
        turn.end()
        turn.end()
    assert (route.running, route.retrying) == (0, 0)
