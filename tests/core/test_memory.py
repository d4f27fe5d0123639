"""The memory: what clients refer to is put back, bounded, and honest about what it forgot."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.memory import Memory


def user(text: str) -> dict[str, object]:
    return {"type": "message", "role": "user", "content": text}


def said(number: int, text: str = "hello") -> dict[str, object]:
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": text}


def response(number: int, *items: Mapping[str, object]) -> dict[str, object]:
    return {"id": f"resp_{number}", "status": "completed", "output": list(items)}


def items_of(resolved: Mapping[str, object] | Problem) -> Any:
    assert not isinstance(resolved, Problem)
    return resolved["input"]


def test_a_request_that_refers_to_nothing_is_the_same_object() -> None:
    payload = {"model": "m", "input": [user("hi")], "previous_response_id": None}
    assert Memory().resolve(payload) is payload


def test_a_chain_is_rebuilt_in_order() -> None:
    memory = Memory()
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": [user("two")], "previous_response_id": "resp_1"}, response(2, said(2)))
    payload = {"model": "m", "input": [user("three")], "previous_response_id": "resp_2"}
    resolved = memory.resolve(payload)
    assert items_of(resolved) == [user("one"), said(1), user("two"), said(2), user("three")]
    assert "previous_response_id" not in resolved  # type: ignore[operator]
    assert payload["previous_response_id"] == "resp_2"


def test_a_text_input_follows_the_chain() -> None:
    memory = Memory()
    memory.keep({"input": "one"}, response(1, said(1)))
    resolved = memory.resolve({"input": "two", "previous_response_id": "resp_1"})
    assert items_of(resolved) == [user("one"), said(1), user("two")]


def test_a_branch_does_not_see_its_sister() -> None:
    memory = Memory()
    memory.keep({"input": "root"}, response(1, said(1)))
    memory.keep({"input": "left", "previous_response_id": "resp_1"}, response(2, said(2)))
    resolved = memory.resolve({"input": "right", "previous_response_id": "resp_1"})
    assert items_of(resolved) == [user("root"), said(1), user("right")]


@pytest.mark.parametrize("reference", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_a_referenced_item_stands_where_it_was_named(reference: dict[str, object]) -> None:
    memory = Memory()
    memory.keep({"input": "one"}, response(1, said(0), said(1)))
    resolved = memory.resolve({"input": [user("a"), reference, user("b")]})
    assert items_of(resolved) == [user("a"), said(1), user("b")]


def test_an_item_that_merely_has_an_id_is_no_reference() -> None:
    payload = {"input": [said(7)]}
    assert Memory().resolve(payload) is payload


@pytest.mark.parametrize(
    "payload",
    [
        {"input": "x", "previous_response_id": "resp_9"},
        {"input": "x", "previous_response_id": 9},
        {"input": [{"type": "item_reference", "id": "msg_9"}]},
        {"input": [{"type": "item_reference", "id": {}}]},
    ],
)
def test_what_is_not_known_is_a_400_that_says_what_to_do(payload: dict[str, object]) -> None:
    problem = Memory().resolve(payload)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code, problem.type) == (
        400,
        "invalid_prompt",
        "invalid_request_error",
    )
    assert "store: false" in problem.message


def test_store_false_keeps_nothing() -> None:
    memory = Memory()
    memory.keep({"input": "one", "store": False}, response(1, said(1)))
    assert (len(memory), memory.size) == (0, 0)


def test_a_missing_link_is_told_and_never_skipped() -> None:
    memory = Memory(most_responses=1)
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": "two", "previous_response_id": "resp_1"}, response(2, said(2)))
    assert isinstance(memory.resolve({"input": "x", "previous_response_id": "resp_2"}), Problem)


def test_the_least_recently_used_goes_first() -> None:
    memory = Memory(most_responses=2)
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": "two"}, response(2, said(2)))
    memory.resolve({"input": "x", "previous_response_id": "resp_1"})
    memory.keep({"input": "three"}, response(3, said(3)))
    assert not isinstance(memory.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)
    assert isinstance(memory.resolve({"input": "", "previous_response_id": "resp_2"}), Problem)


def test_a_reference_is_a_use() -> None:
    memory = Memory(most_responses=2)
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": "two"}, response(2, said(2)))
    memory.resolve({"input": [{"type": "item_reference", "id": "msg_1"}]})
    memory.keep({"input": "three"}, response(3, said(3)))
    assert not isinstance(memory.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_a_root_outlives_its_leaves() -> None:
    memory = Memory(most_responses=2)
    memory.keep({"input": "root"}, response(1, said(1)))
    memory.keep({"input": "leaf", "previous_response_id": "resp_1"}, response(2, said(2)))
    memory.resolve({"input": "x", "previous_response_id": "resp_2"})
    memory.keep({"input": "other"}, response(3, said(3)))
    assert not isinstance(memory.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_an_item_goes_with_its_response() -> None:
    memory = Memory(most_responses=1)
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": "two"}, response(2, said(2)))
    assert isinstance(
        memory.resolve({"input": [{"type": "item_reference", "id": "msg_1"}]}), Problem
    )


def test_an_answer_larger_than_the_memory_pushes_nothing_out() -> None:
    memory = Memory(most_bytes=500)
    memory.keep({"input": "one"}, response(1, said(1)))
    memory.keep({"input": "x" * 1000}, response(2, said(2)))
    assert len(memory) == 1
    assert not isinstance(memory.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_what_is_kept_does_not_change_with_the_objects_of_the_caller() -> None:
    memory, item = Memory(), said(1)
    memory.keep({"input": "one"}, response(1, item))
    item["content"] = "changed"
    resolved = memory.resolve({"input": "two", "previous_response_id": "resp_1"})
    assert items_of(resolved)[1] == said(1)


TURNS = st.lists(st.tuples(st.integers(-1, 40), st.text(max_size=30)), max_size=40)


@given(turns=TURNS, most_bytes=st.integers(0, 2000), most=st.integers(0, 5))
def test_bounds_hold_and_chains_are_whole_or_told(
    turns: list[tuple[int, str]], most_bytes: int, most: int
) -> None:
    """Whatever is kept and asked, the bounds hold, and a chain comes back as a memory without bounds has it."""
    memory = Memory(most_bytes, most)
    histories: dict[str, list[object]] = {}
    for number, (back, text) in enumerate(turns):
        link = f"resp_{back}" if f"resp_{back}" in histories else None
        resolved = memory.resolve({"input": text, "previous_response_id": link})
        if isinstance(resolved, Problem):
            continue
        history = [*histories.get(link or "", []), user(text)]
        assert link is None or items_of(resolved) == history
        memory.keep(
            {"input": text, "previous_response_id": link}, response(number, said(number, text))
        )
        histories[f"resp_{number}"] = [*history, said(number, text)]
        assert memory.size <= most_bytes
        assert len(memory) <= most
