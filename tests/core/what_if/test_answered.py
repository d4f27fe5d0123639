"""The header that says who answered."""

from __future__ import annotations

from addons.core.providers.fallback import FALLBACK_HEADER as WRITTEN
from addons.core.turn import TurnNotes
from addons.core.what_if.answer import Answer
from addons.core.what_if.answered import FALLBACK_HEADER, answered_value, read_answered


def test_notes_of_a_turn_are_read_back() -> None:
    notes = TurnNotes(dropped=["hosted tool x"], repairs=["without y"])
    notes.note_route("deepseek", "deepseek-chat", "DeepSeek \N{EN DASH} China")
    answer = Answer("row", changed=["effort"])
    read_answered(answer, answered_value(notes).decode("latin-1"), "row -> other")
    assert (answer.provider, answer.model) == ("deepseek", "deepseek-chat")
    assert answer.label == "DeepSeek \N{EN DASH} China"
    assert (answer.left_out, answer.changed) == (["hosted tool x"], ["effort", "without y"])
    assert answer.answered_by == "other"


def test_value_is_visible_ascii_of_bounded_length() -> None:
    notes = TurnNotes(dropped=["\r\nx\N{SNOWMAN}" * 200] * 500)
    value = answered_value(notes)
    assert value.isascii()
    assert value.decode().isprintable()
    assert len(value) < 16_000


def test_any_value_is_read() -> None:
    for value in ("", "{", "[]", '{"left_out": 3, "label": []}'):
        answer = Answer("row")
        read_answered(answer, value, "")
        assert (answer.provider, answer.left_out) == ("", [])


def test_fallback_header_is_the_one_that_is_written() -> None:
    assert WRITTEN.decode() == FALLBACK_HEADER
