"""The store of responses: references are resolved, limits hold, missing responses are reported."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.errors import Problem
from addons.core.protocols.responses.response_store import ResponseStore


def user(text: str) -> dict[str, object]:
    return {"type": "message", "role": "user", "content": text}


def answer(number: int, text: str = "hello") -> dict[str, object]:
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": text}


def response(number: int, *items: Mapping[str, object]) -> dict[str, object]:
    return {"id": f"resp_{number}", "status": "completed", "output": list(items)}


def items_of(resolved: Mapping[str, object] | Problem) -> Any:
    assert not isinstance(resolved, Problem)
    return resolved["input"]


def test_request_without_references_is_the_same_object() -> None:
    payload = {"model": "m", "input": [user("hi")], "previous_response_id": None}
    assert ResponseStore().resolve(payload) is payload


def test_chain_is_restored_in_order() -> None:
    store = ResponseStore()
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": [user("two")], "previous_response_id": "resp_1"}, response(2, answer(2)))
    payload = {"model": "m", "input": [user("three")], "previous_response_id": "resp_2"}
    resolved = store.resolve(payload)
    assert items_of(resolved) == [user("one"), answer(1), user("two"), answer(2), user("three")]
    assert "previous_response_id" not in resolved  # type: ignore[operator]
    assert payload["previous_response_id"] == "resp_2"


def test_text_input_follows_the_chain() -> None:
    store = ResponseStore()
    store.keep({"input": "one"}, response(1, answer(1)))
    resolved = store.resolve({"input": "two", "previous_response_id": "resp_1"})
    assert items_of(resolved) == [user("one"), answer(1), user("two")]


def test_branch_does_not_see_its_sibling() -> None:
    store = ResponseStore()
    store.keep({"input": "root"}, response(1, answer(1)))
    store.keep({"input": "left", "previous_response_id": "resp_1"}, response(2, answer(2)))
    resolved = store.resolve({"input": "right", "previous_response_id": "resp_1"})
    assert items_of(resolved) == [user("root"), answer(1), user("right")]


@pytest.mark.parametrize("reference", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_reference_is_replaced_by_its_item(reference: dict[str, object]) -> None:
    store = ResponseStore()
    store.keep({"input": "one"}, response(1, answer(0), answer(1)))
    resolved = store.resolve({"input": [user("a"), reference, user("b")]})
    assert items_of(resolved) == [user("a"), answer(1), user("b")]


def test_item_with_an_id_is_not_a_reference() -> None:
    payload = {"input": [answer(7)]}
    assert ResponseStore().resolve(payload) is payload


@pytest.mark.parametrize(
    "payload",
    [
        {"input": "x", "previous_response_id": "resp_9"},
        {"input": "x", "previous_response_id": 9},
        {"input": [{"type": "item_reference", "id": "msg_9"}]},
        {"input": [{"type": "item_reference", "id": {}}]},
    ],
)
def test_unknown_reference_is_refused(payload: dict[str, object]) -> None:
    problem = ResponseStore().resolve(payload)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code, problem.type) == (
        400,
        "invalid_prompt",
        "invalid_request_error",
    )
    assert "store: false" in problem.message


def test_store_false_stores_nothing() -> None:
    store = ResponseStore()
    store.keep({"input": "one", "store": False}, response(1, answer(1)))
    assert (len(store), store.size) == (0, 0)


def test_missing_response_in_a_chain_is_refused() -> None:
    store = ResponseStore(max_responses=1)
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": "two", "previous_response_id": "resp_1"}, response(2, answer(2)))
    assert isinstance(store.resolve({"input": "x", "previous_response_id": "resp_2"}), Problem)


def test_least_recently_used_response_is_evicted_first() -> None:
    store = ResponseStore(max_responses=2)
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": "two"}, response(2, answer(2)))
    store.resolve({"input": "x", "previous_response_id": "resp_1"})
    store.keep({"input": "three"}, response(3, answer(3)))
    assert not isinstance(store.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)
    assert isinstance(store.resolve({"input": "", "previous_response_id": "resp_2"}), Problem)


def test_reference_counts_as_use() -> None:
    store = ResponseStore(max_responses=2)
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": "two"}, response(2, answer(2)))
    store.resolve({"input": [{"type": "item_reference", "id": "msg_1"}]})
    store.keep({"input": "three"}, response(3, answer(3)))
    assert not isinstance(store.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_root_of_a_chain_is_evicted_after_its_leaves() -> None:
    store = ResponseStore(max_responses=2)
    store.keep({"input": "root"}, response(1, answer(1)))
    store.keep({"input": "leaf", "previous_response_id": "resp_1"}, response(2, answer(2)))
    store.resolve({"input": "x", "previous_response_id": "resp_2"})
    store.keep({"input": "other"}, response(3, answer(3)))
    assert not isinstance(store.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_items_are_evicted_with_their_response() -> None:
    store = ResponseStore(max_responses=1)
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": "two"}, response(2, answer(2)))
    assert isinstance(
        store.resolve({"input": [{"type": "item_reference", "id": "msg_1"}]}), Problem
    )


def test_oversized_response_evicts_nothing() -> None:
    store = ResponseStore(max_bytes=500)
    store.keep({"input": "one"}, response(1, answer(1)))
    store.keep({"input": "x" * 1000}, response(2, answer(2)))
    assert len(store) == 1
    assert not isinstance(store.resolve({"input": "", "previous_response_id": "resp_1"}), Problem)


def test_stored_response_is_a_copy() -> None:
    store, item = ResponseStore(), answer(1)
    store.keep({"input": "one"}, response(1, item))
    item["content"] = "changed"
    resolved = store.resolve({"input": "two", "previous_response_id": "resp_1"})
    assert items_of(resolved)[1] == answer(1)


TURNS = st.lists(st.tuples(st.integers(-1, 40), st.text(max_size=30)), max_size=40)


@given(turns=TURNS, most_bytes=st.integers(0, 2000), most=st.integers(0, 5))
def test_limits_hold_and_chains_are_complete_or_refused(
    turns: list[tuple[int, str]], most_bytes: int, most: int
) -> None:
    """A resolved chain equals that of an unlimited store, and the limits hold after each turn."""
    store = ResponseStore(most_bytes, most)
    histories: dict[str, list[object]] = {}
    for number, (back, text) in enumerate(turns):
        link = f"resp_{back}" if f"resp_{back}" in histories else None
        resolved = store.resolve({"input": text, "previous_response_id": link})
        if isinstance(resolved, Problem):
            continue
        history = [*histories.get(link or "", []), user(text)]
        assert link is None or items_of(resolved) == history
        store.keep(
            {"input": text, "previous_response_id": link}, response(number, answer(number, text))
        )
        histories[f"resp_{number}"] = [*history, answer(number, text)]
        assert store.size <= most_bytes
        assert len(store) <= most
