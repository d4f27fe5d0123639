"""Changed copies of turns and events."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from addons.core.hooks.frozen_json import JsonList, JsonMap
from addons.core.hooks.values import EDITABLE, Event, Turn

ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def test_each_editable_field_has_a_parameter_of_replace() -> None:
    turn = Turn(model="m", state={"kept": 1})
    changes: dict[str, Any] = {"model": "n", "instructions": "i", "input": [ITEM], "tools": [{}], "fields": {"a": 1}}  # fmt: skip
    assert tuple(changes) == EDITABLE
    for name, value in changes.items():
        changed = turn.replace(**{name: value})
        assert getattr(changed, name) == value
        assert changed.state is turn.state
    assert turn.replace() == turn


def test_turns_and_events_are_frozen() -> None:
    for value, name in ((Turn(model="m"), "model"), (Event.of("t"), "type")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, "x")


def test_instructions_are_added_to_the_end_or_as_the_first_message() -> None:
    assert Turn(model="m", instructions="a").add_instructions("b").instructions == "a\n\nb"
    for items in ([], [ITEM], [ITEM, ITEM]):
        turn = Turn(model="m", input=JsonList(items)).add_instructions("b")
        first, *rest = turn.input
        assert JsonMap(first)["role"] == "developer"  # type: ignore[arg-type]
        assert rest == items
        assert turn.instructions == ""


def test_texts_of_instructions_and_history_are_mapped() -> None:
    turn = Turn(model="m", instructions="hi", input=JsonList([ITEM]), tools=JsonList([{"x": "hi"}]))
    changed: Any = turn.map_text(str.upper)
    assert (changed.instructions, changed.input[0]["content"][0]["text"]) == ("HI", "HI")
    assert (changed.model, changed.tools) == ("m", [{"x": "hi"}])
    assert turn.map_text(lambda text: text) is turn


def test_events_are_changed_in_copies() -> None:
    kind = "response.output_text.delta"
    event = Event.received(kind, JsonMap({"type": kind, "delta": "a"}), b"block")
    assert event.map_text(lambda text: text) is event
    changed = event.replace(delta="b")
    assert (changed.data["delta"], changed.block, changed.type) == ("b", b"", event.type)
    assert event.map_text(str.upper).data["delta"] == "A"
    assert Event.of("response.output_item.done", item={"id": "i"}).item["id"] == "i"
    assert event.item == {}
    assert [Event.of(kind).is_terminal for kind in ("error", "response.created")] == [True, False]


def test_copy_of_an_event_that_was_received_is_written_anew() -> None:
    event = Event.received("response.x", JsonMap({"type": "response.x", "n": 1}), b"data: {}")
    copies = [
        dataclasses.replace(event, data={"type": "response.x", "n": 2}),
        event.replace(n=2),
    ]
    assert [(one.data["n"], one.block) for one in copies] == [(2, b"")] * 2
    assert event.replace(type="response.y").type == "response.y"
