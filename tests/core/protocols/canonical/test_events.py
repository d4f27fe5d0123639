"""The events of an answer, and the report of unknown fields."""

from __future__ import annotations

from typing import get_args

from addons.core.protocols.canonical.events import (
    MAX_KIND_LENGTH,
    MAX_UNKNOWN_FIELDS,
    Event,
    Omitted,
    UnknownFields,
)


def test_events_are_frozen_values() -> None:
    for event in get_args(Event):
        assert event.__dataclass_params__.frozen, event.__name__
        assert "__slots__" in vars(event), event.__name__


def test_unknown_field_is_reported_once() -> None:
    fields = UnknownFields()
    assert list(fields.report("field", "x")) == [Omitted("field 'x' in the answer")]
    assert list(fields.report("field", "x")) == []
    assert list(fields.report("part", "x")) == [Omitted("part 'x' in the answer")]


def test_number_of_unknown_fields_is_limited() -> None:
    fields = UnknownFields()
    reported = [
        omitted.what for number in range(50) for omitted in fields.report("field", f"n{number}")
    ]
    assert reported == [f"field 'n{number}' in the answer" for number in range(MAX_UNKNOWN_FIELDS)]


def test_name_of_an_unknown_field_is_short_and_printable() -> None:
    [omitted] = UnknownFields().report("field", "a\x1b" + "x" * 100)
    assert omitted.what == f"field 'a?{'x' * (MAX_KIND_LENGTH - 2)}' in the answer"
