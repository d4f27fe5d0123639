"""A frame that continues the last response gets the whole history; any other response is unknown."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.json_values import JsonDict
from addons.core.protocols.responses.websocket.history import History, not_found


def completed(response_id: object = "resp_1") -> bytes:
    return orjson.dumps({"type": "response.completed", "response": {"id": response_id}})


def done(item: object) -> bytes:
    return orjson.dumps({"type": "response.output_item.done", "item": item})


def delta() -> bytes:
    return b'{"type":"response.output_text.delta","delta":"response.completed"}'


def begin(history: History, previous: str | None, *items: object) -> object:
    """Begin a turn with these items; return its whole input, or None for an unknown response."""
    payload: JsonDict = {"model": "m", "input": list(items)}
    known = history.begin(payload, previous)
    return orjson.loads(orjson.dumps(payload))["input"] if known else None


def turn(history: History, previous: str | None, item: object, answered: object, name: str) -> None:
    assert begin(history, previous, item) is not None
    history.note([delta(), done(answered), delta()])
    history.note([completed(name)])


def test_delta_is_joined_to_everything_before_it() -> None:
    history = History(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    turn(history, "resp_1", {"n": 3}, {"n": 4}, "resp_2")
    assert begin(history, "resp_2", {"n": 5}) == [{"n": n} for n in range(1, 6)]


def test_turn_without_a_previous_response_begins_anew() -> None:
    history = History(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    turn(history, None, {"n": 8}, {"n": 9}, "resp_9")
    assert begin(history, "resp_9") == [{"n": 8}, {"n": 9}]


@pytest.mark.parametrize("name", ["resp_0", "resp_2", ""])
def test_any_other_response_is_unknown_and_the_last_one_stays_known(name: str) -> None:
    history = History(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_0")
    turn(history, "resp_0", {"n": 3}, {"n": 4}, "resp_1")
    assert begin(history, name, {"n": 5}) is None
    history.note([done({"n": 6}), completed("resp_2")])
    assert begin(history, "resp_1") == [{"n": n} for n in range(1, 5)]


def test_turn_that_did_not_complete_leaves_the_last_response() -> None:
    history = History(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    begin(history, "resp_1", {"n": 3})
    history.note([done({"n": 4}), b'{"type":"response.failed"}'])
    assert begin(history, "resp_1", {"n": 3}) == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    "answer", [b"{}", b"[1]", b'{"type":"response.completed"', completed(None)]
)
def test_response_without_an_id_cannot_be_continued(answer: bytes) -> None:
    history = History(1000)
    begin(history, None, {"n": 1})
    history.note([answer])
    assert begin(history, "resp_1") is None


def test_text_input_is_a_message_once_it_is_continued() -> None:
    history = History(1000)
    payload: JsonDict = {"input": "hello"}
    assert history.begin(payload, None)
    assert payload == {"input": "hello"}
    history.note([completed("resp_1")])
    assert begin(history, "resp_1", {"n": 2}) == [
        {"type": "message", "role": "user", "content": "hello"},
        {"n": 2},
    ]


@pytest.mark.parametrize("value", [None, 5, {"n": 1}])
def test_input_without_items_is_left_to_the_route_and_not_kept(value: object) -> None:
    history = History(1000)
    payload: JsonDict = {"input": value}
    assert history.begin(payload, None)
    assert payload == {"input": value}
    history.note([completed("resp_1")])
    assert begin(history, "resp_1") is None


def test_frame_without_input_continues_with_the_history_alone() -> None:
    history = History(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    payload: JsonDict = {}
    assert history.begin(payload, "resp_1")
    assert orjson.loads(orjson.dumps(payload)) == {"input": [{"n": 1}, {"n": 2}]}


@pytest.mark.parametrize(("asked", "answered"), [(200, 1), (1, 200), (60, 60)])
def test_history_beyond_the_limit_is_forgotten(asked: int, answered: int) -> None:
    history = History(100)
    begin(history, None, "x" * asked)
    history.note([done("y" * answered), completed("resp_1")])
    assert history.size == 0
    assert begin(history, "resp_1") is None


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=6))
def test_history_never_exceeds_its_limit(turns: list[tuple[str, str]]) -> None:
    history, name = History(150), None
    for number, (asked, answered) in enumerate(turns):
        if begin(history, name, asked) is None:
            begin(history, None, asked)
        history.note([done(answered), completed(f"resp_{number}")])
        name = f"resp_{number}"
        assert history.size <= 150


def test_events_whose_name_does_not_matter_are_not_read() -> None:
    history = History(1000)
    begin(history, None, {"n": 1})
    history.note([done({"n": 2})], b"response.output_text.delta")
    history.note([done({"n": 3})], b"response.output_item.done")
    history.note([completed("resp_1")], b"response.completed")
    assert begin(history, "resp_1") == [{"n": 1}, {"n": 3}]


def test_unknown_response_is_named_and_cut() -> None:
    problem = not_found("r" * 500)
    assert (problem.status, problem.code) == (400, "previous_response_not_found")
    assert len(problem.message) < 300


def test_answer_with_an_item_that_cannot_be_written_again_is_not_kept() -> None:
    history = History(1000)
    assert begin(history, None, {"n": 1}) is not None
    item = b"[" * 400 + b"]" * 400
    history.note([b'{"type":"response.output_item.done","item":%b}' % item, completed("resp_1")])
    assert begin(history, "resp_1") is None
    assert history.size == 0
