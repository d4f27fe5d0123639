"""Parsed JSON that can be read and not changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from addons.core.hooks.frozen_json import JsonList, JsonMap, frozen, plain

VALUE = {"a": {"b": [1, {"c": "d"}]}, "e": None}


def test_values_are_read_like_dicts_and_lists() -> None:
    seen: Any = frozen(VALUE)
    assert seen["a"]["b"][1]["c"] == "d"
    assert list(seen) == ["a", "e"]
    assert "e" in seen
    assert (len(seen), len(seen["a"]["b"]), seen["a"]["b"][:1]) == (2, 2, [1])
    assert seen == VALUE
    assert seen["a"]["b"] == [1, {"c": "d"}]
    assert seen != {**VALUE, "e": 1}
    assert seen["a"]["b"] != "text"
    match seen:
        case {"a": {"b": [1, {"c": name}]}}:
            assert name == "d"
        case _:
            pytest.fail("no match")


def test_nothing_inside_can_be_changed() -> None:
    before = copy.deepcopy(VALUE)
    seen: Any = frozen(VALUE)

    def assign(target: Any, key: Any) -> None:
        target[key] = 1

    for target, key in (
        (seen, "a"),
        (seen["a"], "b"),
        (seen["a"]["b"], 0),
        (seen["a"]["b"][1], "c"),
    ):
        with pytest.raises(TypeError):
            assign(target, key)
    for name in ("pop", "update", "append", "clear", "setdefault"):
        assert not hasattr(seen, name)
        assert not hasattr(seen["a"]["b"], name)
    with pytest.raises(AttributeError):
        seen.new = 1
    assert before == VALUE


def test_changed_copies_leave_the_original() -> None:
    item = JsonMap({"role": "user", "content": []})
    assert item | {"role": "developer"} == {"role": "developer", "content": []}
    assert item["role"] == "user"
    items = JsonList([item])
    assert items + [{"more": 1}] == [item, {"more": 1}]  # noqa: RUF005  what is tested
    assert len(items) == 1


def test_plain_is_a_copy_that_json_takes() -> None:
    wrapped = JsonMap({"a": JsonList([JsonMap({"b": (1, 2)})])})
    copied: Any = plain(wrapped)
    assert copied == {"a": [{"b": [1, 2]}]}
    assert (type(copied), type(copied["a"]), type(copied["a"][0])) == (dict, list, dict)
    copied["a"][0]["b"] = 7
    assert wrapped["a"] == [{"b": [1, 2]}]
