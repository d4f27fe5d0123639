"""Answers whose text the child repeats: each segment is emitted exactly once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.canonical.events import Stopped
from tests.core.cursor import streams as s
from tests.core.cursor.test_reader import read, segments

DELTAS = st.lists(st.sampled_from(["a", "ab", "1", "10", "ha", "\n", "é"]), min_size=1, max_size=4)
AROUND_TOOLS = st.lists(st.tuples(DELTAS, st.integers(0, 2), st.integers(1, 2)), max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Draw a stream with partial output and its segments, with or without repetitions before tools and at the end."""
    text_deltas, stream, calls = [], s.init(), 0
    for deltas, repeats, tools in draw(AROUND_TOOLS):
        text_deltas.append("".join(deltas))
        stream += s.text_deltas(deltas)
        for index in range(tools):
            calls += 1
            stream += s.flush(text_deltas[-1], f"m-{len(text_deltas)}") if index < repeats else b""
            stream += s.tool(str(calls), path="x")
    last = draw(DELTAS)
    text_deltas.append("".join(last))
    whole = "".join(text_deltas)
    final = draw(st.sampled_from([s.final(text_deltas[-1]), s.final(whole), b""]))
    return stream + s.text_deltas(last) + final + s.result(whole), text_deltas


@given(answers())
def test_each_segment_is_emitted_once(answer: tuple[bytes, list[str]]) -> None:
    stream, text_deltas = answer
    events = read(stream)
    assert segments(events) == text_deltas
    assert isinstance(events[-1], Stopped)
