"""Which recorded turn answers a request."""

from __future__ import annotations

from addons.core.cassette.format import Cassette, RecordedTurn
from addons.core.cassette.player import Asked, Miss, Player
from tests.core.cassette.turns import body, turn


def player(*turns: RecordedTurn, is_loose: bool = False) -> Player:
    return Player(Cassette(turns), "a.jsonl", is_loose=is_loose)


def asked(text: str, thread: str = "x", agent: str = "user") -> Asked:
    return Asked("/v1/responses", thread, agent, body(text))


def answer_of(found: RecordedTurn | Miss) -> str:
    return found.reason if isinstance(found, Miss) else found.answer.parts[0][1]


def test_equal_turns_are_served_in_turn_and_then_anew() -> None:
    serving = player(turn("hi", "first"), turn("bye", "other"), turn("hi", "second"))
    served = [answer_of(serving.take(asked("hi"))) for _ in range(3)]
    assert served == ["first", "second", "first"]


def test_miss_names_the_nearest_turn() -> None:
    serving = player(turn("say hello"), turn("say good night"), turn("else"))
    reason = answer_of(serving.take(asked("say good day")))
    assert reason == (
        "the nearest one is turn 2, which differs at input[0].content[0].text, character 10: "
        "recorded 'say good night', sent 'say good day'"
    )


def test_request_to_a_path_without_turns_is_a_miss() -> None:
    found = player(turn()).take(Asked("/v1/alpha/search", "x", "user", "{}"))
    assert answer_of(found) == "it was recorded without a request to /alpha/search"


def test_loose_replay_goes_by_the_position_in_the_thread() -> None:
    turns = (turn("a", "a1", "t1"), turn("b", "b1", "t2"), turn("c", "a2", "t1"))
    serving = player(*turns, is_loose=True)
    served = [answer_of(serving.take(asked("any", thread))) for thread in ("x", "y", "x", "z", "y")]
    assert served == ["a1", "b1", "a2", "a1", "its thread has 1 turns, and this is turn 2"]


def test_loose_replay_keeps_agents_apart() -> None:
    found = player(turn(), is_loose=True).take(asked("any", agent="title"))
    assert answer_of(found) == "it has no turn of title for /responses"
