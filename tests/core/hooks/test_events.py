"""Events are read from any split of a stream, and written as they came."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from addons.core.hooks.events import EventReader, Piece, whole_event, written
from addons.core.hooks.values import Event

BLOCKS = (
    b'event: response.created\ndata: {"type":"response.created","response":{}}\n\n',
    b": a comment\n\n",
    b"data: [DONE]\n\n",
    b'data: {"delta" : "a"}\n\n',
    b'event: response.x\ndata: {"delta":\ndata: "b"}\n\n',
)
STREAM = b"".join(BLOCKS)


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_unchanged_events_are_the_bytes_that_came(cuts: list[int]) -> None:
    reader, at = EventReader(1000), [0, *sorted(cuts), len(STREAM)]
    pieces: list[Piece] = []
    for begin, end in pairwise(at):
        pieces += reader.feed(STREAM[begin:end])
    assert written(pieces) == STREAM
    assert [one.type if isinstance(one, Event) else one for one in pieces] == [
        "response.created", b": a comment\n\n", b"data: [DONE]\n\n", "", "response.x",
    ]  # fmt: skip


def test_changed_event_is_written_anew() -> None:
    (event,) = EventReader(1000).feed(BLOCKS[0])
    assert isinstance(event, Event)
    changed = event.replace(more=[1])
    assert written([changed]) == (
        b'event: response.created\ndata: {"type":"response.created","response":{},"more":[1]}\n\n'
    )


def test_last_event_may_lack_its_blank_line_and_a_large_one_is_reported() -> None:
    reader = EventReader(60)
    assert reader.feed(b'data: {"type":"x"}') == []
    assert [one.type for one in reader.finish() if isinstance(one, Event)] == ["x"]
    assert not reader.too_large
    reader.feed(b'data: {"type":"%s"}\n\n' % (b"x" * 99))
    assert reader.too_large


def test_answer_without_a_stream_is_the_event_that_ends_one() -> None:
    event = whole_event({"id": "r"})
    assert event.is_terminal
    assert event.data["response"] == {"id": "r"}


def test_changed_event_keeps_integers_of_any_size() -> None:
    (event,) = EventReader(1000).feed(
        b'data: {"type":"x","n":[12345678901234567890123],"t":"a"}\n\n'
    )
    assert isinstance(event, Event)
    assert b"[12345678901234567890123]" in written([event.map_text(str.upper)])
