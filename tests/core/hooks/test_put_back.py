"""Placeholders in an answer, however it is split."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from addons.core.hooks.put_back import PutBack
from addons.core.hooks.values import Event

VALUES = {"<a>": 'one "quoted"\n', "<ab>": "two", "<<a>": "three", "{k}": "\\", "}x}": "four"}
PIECES = st.lists(
    st.sampled_from(["<", "a", "b", ">", "<a>", "<ab>", "<<a>", "{k}", "{", "}", "x", "text "])
)
AT: dict[str, Any] = {"item_id": "m", "output_index": 0, "content_index": 0}


def through(put_back: PutBack, *events: Event) -> list[Event]:
    out: list[Event] = []
    for event in events:
        new = put_back(event)
        out += new if isinstance(new, list) else [new]
    return out


def split(text: str, cuts: list[int]) -> list[str]:
    at = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[begin:end] for begin, end in pairwise(at)]


@given(PIECES, st.lists(st.integers(0, 1000)))
def test_joined_deltas_are_the_whole_text_at_any_split(pieces: list[str], cuts: list[int]) -> None:
    text = "".join(pieces)
    put_back = PutBack(VALUES)
    deltas = [
        Event.of("response.output_text.delta", **AT, delta=part) for part in split(text, cuts)
    ]
    done = Event.of("response.output_text.done", **AT, text=text)
    *parts, whole = through(put_back, *deltas, done)
    assert "".join(str(part.data["delta"]) for part in parts) == whole.data["text"]
    assert whole.data["text"] == put_back.text(text)
    assert through(put_back, Event.of("response.completed")) == [Event.of("response.completed")]


@given(st.lists(st.integers(0, 1000)))
def test_values_are_escaped_in_the_deltas_of_arguments(cuts: list[int]) -> None:
    arguments = json.dumps({"to": "<a> and <ab>", "key": "{k}"})
    name = "response.function_call_arguments"
    deltas = [Event.of(f"{name}.delta", item_id="f", output_index=1, delta=part) for part in split(arguments, cuts)]  # fmt: skip
    done = Event.of(f"{name}.done", item_id="f", output_index=1, arguments=arguments)
    *parts, whole = through(PutBack(VALUES), *deltas, done)
    expected = {"to": f"{VALUES['<a>']} and two", "key": "\\"}
    assert json.loads("".join(str(part.data["delta"]) for part in parts)) == expected
    assert json.loads(str(whole.data["arguments"])) == expected


def test_texts_of_two_items_are_held_apart_and_the_end_releases_them() -> None:
    put_back = PutBack(VALUES)
    one = Event.of("response.output_text.delta", item_id="1", output_index=0, delta="x<")
    two = Event.of("response.output_text.delta", item_id="2", output_index=1, delta="<a")
    other = Event.of("response.output_item.done", output_index=1, item={"id": "2"})
    out = through(put_back, one, two, other, Event.of("response.incomplete"))
    assert [event.data.get("delta") for event in out] == ["x", "<a", None, "<", None]
    assert [event.type for event in out][-1] == "response.incomplete"


def test_event_without_a_placeholder_is_the_same_object() -> None:
    event = Event.of("response.output_text.delta", **AT, delta="plain")
    assert PutBack(VALUES)(event) is event
    assert PutBack({})(event) is event
    other = Event.of("response.output_item.added", item={"id": "m"})
    assert PutBack(VALUES)(other) is other
