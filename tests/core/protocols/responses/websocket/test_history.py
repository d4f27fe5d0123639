"""A frame that continues the last response gets the whole history; any other response is unknown."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.json_values import JsonDict
from addons.core.protocols.responses.websocket.history import Histories, History, not_found


def kept(max_bytes: int) -> History:
    return History(max_bytes, Histories(lambda: 100_000))


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
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    turn(history, "resp_1", {"n": 3}, {"n": 4}, "resp_2")
    assert begin(history, "resp_2", {"n": 5}) == [{"n": n} for n in range(1, 6)]


def test_turn_without_a_previous_response_begins_anew() -> None:
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    turn(history, None, {"n": 8}, {"n": 9}, "resp_9")
    assert begin(history, "resp_9") == [{"n": 8}, {"n": 9}]


@pytest.mark.parametrize("name", ["resp_0", "resp_2", ""])
def test_any_other_response_is_unknown_and_the_last_one_stays_known(name: str) -> None:
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_0")
    turn(history, "resp_0", {"n": 3}, {"n": 4}, "resp_1")
    assert begin(history, name, {"n": 5}) is None
    history.note([done({"n": 6}), completed("resp_2")])
    assert begin(history, "resp_1") == [{"n": n} for n in range(1, 5)]


def test_turn_that_did_not_complete_leaves_the_last_response() -> None:
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    begin(history, "resp_1", {"n": 3})
    history.note([done({"n": 4}), b'{"type":"response.failed"}'])
    assert begin(history, "resp_1", {"n": 3}) == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    "answer", [b"{}", b"[1]", b'{"type":"response.completed"', completed(None)]
)
def test_response_without_an_id_cannot_be_continued(answer: bytes) -> None:
    history = kept(1000)
    begin(history, None, {"n": 1})
    history.note([answer])
    assert begin(history, "resp_1") is None


def test_text_input_is_a_message_once_it_is_continued() -> None:
    history = kept(1000)
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
    history = kept(1000)
    payload: JsonDict = {"input": value}
    assert history.begin(payload, None)
    assert payload == {"input": value}
    history.note([completed("resp_1")])
    assert begin(history, "resp_1") is None


def test_frame_without_input_continues_with_the_history_alone() -> None:
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    payload: JsonDict = {}
    assert history.begin(payload, "resp_1")
    assert orjson.loads(orjson.dumps(payload)) == {"input": [{"n": 1}, {"n": 2}]}


@pytest.mark.parametrize(("asked", "answered"), [(200, 1), (1, 200), (60, 60)])
def test_history_beyond_the_limit_is_forgotten(asked: int, answered: int) -> None:
    history = kept(100)
    begin(history, None, "x" * asked)
    history.note([done("y" * answered), completed("resp_1")])
    assert history.size == 0
    assert begin(history, "resp_1") is None


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=6))
def test_history_never_exceeds_its_limit(turns: list[tuple[str, str]]) -> None:
    history, name = kept(150), None
    for number, (asked, answered) in enumerate(turns):
        if begin(history, name, asked) is None:
            begin(history, None, asked)
        history.note([done(answered), completed(f"resp_{number}")])
        name = f"resp_{number}"
        assert history.size <= 150


def test_events_whose_name_does_not_matter_are_not_read() -> None:
    history = kept(1000)
    begin(history, None, {"n": 1})
    delta, item_done = b"response.output_text.delta", b"response.output_item.done"
    history.note([done({"n": 2})], [delta])
    history.note([done({"n": 2})] * 2, [delta])
    history.note([done({"n": 3})], [item_done])
    history.note([done({"n": 4}), done({"n": 5})], [item_done])
    history.note([done({"n": 6}), done({"n": 7}), done({"n": 8})], [delta, item_done, b""])
    history.note([completed("resp_1")], [b"response.completed"])
    assert begin(history, "resp_1") == [{"n": n} for n in (1, 3, 4, 5, 7, 8)]


def test_unknown_response_is_named_and_cut() -> None:
    problem = not_found("r" * 500)
    assert (problem.status, problem.code) == (400, "previous_response_not_found")
    assert len(problem.message) < 300


def test_answer_with_an_item_that_cannot_be_written_again_is_not_kept() -> None:
    history = kept(1000)
    assert begin(history, None, {"n": 1}) is not None
    item = b"[" * 400 + b"]" * 400
    history.note([b'{"type":"response.output_item.done","item":%b}' % item, completed("resp_1")])
    assert begin(history, "resp_1") is None
    assert history.size == 0


LONE_SURROGATE = rb'{"content":"\ud83d"}'


@pytest.mark.parametrize(
    "item",
    [
        b'{"type":"response.output_item.done","item":%b}' % LONE_SURROGATE,
        b'{"type":"response.output_item.done","item":{"content":"cut',
        b'{"item":{"n":2},"type":"response.output_item.done"',
    ],
)
@pytest.mark.parametrize("name", [(), (b"response.output_item.done",)])
def test_answer_with_an_item_that_cannot_be_read_is_not_kept(
    item: bytes, name: tuple[bytes, ...]
) -> None:
    history = kept(1000)
    turn(history, None, {"n": 1}, {"n": 2}, "resp_1")
    begin(history, "resp_1", {"n": 3})
    history.note([item], name)
    history.note([done({"n": 4}), completed("resp_2")])
    assert begin(history, "resp_2") is None
    assert begin(history, "resp_1") == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("cut", range(1, 20))
def test_end_that_is_cut_ends_no_response(cut: int) -> None:
    history = kept(1000)
    begin(history, None, {"n": 1})
    whole = b'{"type":"response.completed","response":{"id":"resp_1","output":[]}}'
    history.note([whole[:-cut]])
    assert begin(history, "resp_1") is None


@pytest.mark.parametrize(
    "form",
    [
        b'{"type":"response.output_item.done","item":{"n":%b}}',
        b'{"type":"response.output_item.done","item":{"n":%b},"output_index":0}',
        b'{"type": "response.output_item.done", "item": {"n": %b}}',
        b'{"item":{"n":%b},"type":"response.output_item.done","x\\"item":{"n":1.2345678901234568e29}}',
        b'{"item":{"n":%b},"type":"response.output_item.done","x":{"a":1,"item":{"n":1.2345678901234568e29}}}',
        b'{"item":{"n":1},"type":"response.output_item.done","item":{"n":%b}}',
    ],
)
def test_large_numbers_of_an_item_come_back_as_they_were(form: bytes) -> None:
    history, number = kept(1000), b"123456789012345678901234567890"
    begin(history, None)
    history.note([form % number, completed("resp_1")])
    payload: JsonDict = {}
    assert history.begin(payload, "resp_1")
    assert number in orjson.dumps(payload)


# All connections ------------------------------------------------------------------------------------------------


def connections(count: int, max_bytes: int) -> list[History]:
    together = Histories(lambda: max_bytes)
    return [History(1000, together) for _ in range(count)]


def test_connection_that_was_not_used_for_longest_forgets_first() -> None:
    first, second, third = connections(3, 250)
    for history in (first, second):
        turn(history, None, "x" * 40, "y" * 40, "resp_1")
    turn(first, "resp_1", "", "", "resp_2")
    turn(third, None, "x" * 40, "y" * 40, "resp_1")
    assert [bool(each.size) for each in (first, second, third)] == [True, False, True]
    assert begin(second, "resp_1") is None
    assert begin(first, "resp_2") is not None


def test_turn_under_way_makes_room_as_an_ended_one_does() -> None:
    idle, live = connections(2, 250)
    turn(idle, None, "x" * 40, "y" * 40, "resp_1")
    begin(live, None, "x" * 200)
    assert (idle.size, live.size) == (0, 202)
    live.note([done("y" * 100)])
    assert live.size == 0
    live.note([done("y"), completed("resp_1")])
    assert (live.size, begin(live, "resp_1")) == (0, None)


def test_one_large_history_makes_many_small_ones_forget() -> None:
    together = Histories(lambda: 15_000)
    small = [History(1000, together) for _ in range(1500)]
    for history in small:
        turn(history, None, 1, 2, "resp_1")
    large = History(15_000, together)
    begin(large, None, "x" * 14_990)
    assert large.size == 14_992
    assert sum(history.size > 0 for history in small) == 2


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 90), st.booleans()), max_size=25))
def test_all_histories_never_exceed_their_limit(turns: list[tuple[int, int, bool]]) -> None:
    three = connections(3, 150)
    for which, size, ends in turns:
        history = three[which]
        if begin(history, "resp_1", "x" * size) is None:
            begin(history, None, "x" * size)
        history.note([done("y" * size), completed("resp_1")] if ends else [done("y" * size)])
        assert sum(each.size for each in three) <= 150
        assert history._all.size == sum(each.size for each in three)
    for history in three:
        history.forget()
    assert (three[0]._all.size, len(three[0]._all._sizes)) == (0, 0)
