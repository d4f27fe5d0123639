"""Values of parsed JSON: of the expected type, or empty."""

from __future__ import annotations

from typing import Any

import pytest

from addons.core.json_values import as_int, as_object, as_str

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
