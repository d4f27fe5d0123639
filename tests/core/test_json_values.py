"""Values of parsed JSON: of the expected type, or empty."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.json_values import as_int, as_object, as_str, loads_exactly, loads_file

VALUES: list[Any] = [None, True, False, 0, 7, -1, 2**70, 1.5, "", "a", [], [1], {}, {"a": 1}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_object_is_returned_itself_and_anything_else_is_empty(value: Any) -> None:
    if isinstance(value, dict):
        assert as_object(value) is value
    else:
        assert as_object(value) == {}


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_string_is_returned_and_anything_else_is_empty(value: Any) -> None:
    assert as_str(value) == (value if isinstance(value, str) else "")


@pytest.mark.parametrize(
    ("value", "number"),
    [(0, 0), (7, 7), (-1, -1), (2**70, 2**70), (True, None), (False, None), (1.0, None), ("7", None), (None, None)],
)  # fmt: skip
def test_integer_is_returned_and_a_boolean_is_none(value: object, number: int | None) -> None:
    assert as_int(value) == number
    assert not isinstance(as_int(value), bool)


@given(st.lists(st.integers(-(10**40), 10**40)))
def test_integers_of_any_size_are_written_as_they_were_read(values: list[int]) -> None:
    text = str(values).replace(" ", "").encode()
    assert orjson.dumps(loads_exactly(text)) == text


@pytest.mark.parametrize("number", ["1234567890123456789012", "-1234567890123456789012"])
@pytest.mark.parametrize(
    "text", ["%s", " \n%s", "[%s]", "[\t%s ]", "[0,%s]", "[0, \r\n%s]", '{"a":%s}', '{"a" : %s}']
)
def test_large_integer_is_exact_wherever_it_stands(text: str, number: str) -> None:
    found = orjson.dumps(loads_exactly((text % number).encode()))
    assert found == "".join((text % number).split()).encode()


def test_digits_in_a_text_or_a_fraction_are_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"a":"1234567890123456789012 1234567890123456789012","b":[0.1234567890123456789012]}'
    monkeypatch.setattr(json, "loads", None)
    assert loads_exactly(text) == orjson.loads(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[1234567890123456789012,NaN]", b'"\\ud800 1234567890123456789"', b"\xff"],
)
def test_what_is_no_json_is_none_beside_a_large_number(text: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        loads_exactly(text)


def test_values_other_than_large_integers_are_those_of_orjson() -> None:
    text = (
        b'{"a":[1.5,-7,true,null,"12345678901234567890123",{"b":12345678901234567890123}],"a2":1e3}'
    )
    found = loads_exactly(text)
    assert isinstance(found, dict)
    assert found["a"][:5] == [1.5, -7, True, None, "12345678901234567890123"]
    assert math.isclose(found["a2"], 1000)
    assert isinstance(orjson.loads(orjson.dumps(found))["a"][5]["b"], float)


def test_deep_nesting_beside_a_large_number_is_no_error() -> None:
    deep = b"[" * 1000 + b"12345678901234567890123" + b"]" * 1000
    assert loads_exactly(deep)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_file_may_begin_with_a_byte_order_mark(mark: bytes) -> None:
    assert loads_file(mark + b'{"a": 1}') == {"a": 1}
    with pytest.raises(orjson.JSONDecodeError):
        loads_file(mark + b"{")
