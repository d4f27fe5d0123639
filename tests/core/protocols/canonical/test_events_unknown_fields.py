"""The report of unknown fields of an answer."""

from __future__ import annotations

from addons.core.protocols.canonical.events import (
    MAX_KIND_LENGTH,
    MAX_UNKNOWN_FIELDS,
    Omitted,
    UnknownFields,
)


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
