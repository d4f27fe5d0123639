"""Whole answers as a child repeats them, held to what was said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from addons.core.translate.events import Stopped
from tests.core.cursor import streams as s
from tests.core.cursor.test_reader import read, segments

DELTAS = st.lists(st.sampled_from(["a", "ab", "1", "10", "ha", "\n", "é"]), min_size=1, max_size=4)
AROUND_TOOLS = st.lists(st.tuples(DELTAS, st.integers(0, 2), st.integers(1, 2)), max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A stream with partial output, and its segments: repeats before tools, between them, at the end, or none."""
    said, stream, calls = [], s.init(), 0
    for deltas, repeats, tools in draw(AROUND_TOOLS):
        said.append("".join(deltas))
        stream += s.spoken(deltas)
        for place in range(tools):
            calls += 1
            stream += s.flush(said[-1], f"m-{len(said)}") if place < repeats else b""
            stream += s.tool(str(calls), path="x")
    last = draw(DELTAS)
    said.append("".join(last))
    whole = "".join(said)
    final = draw(st.sampled_from([s.final(said[-1]), s.final(whole), b""]))
    return stream + s.spoken(last) + final + s.result(whole), said


@given(answers())
def test_what_is_said_is_given_once_and_whole(answer: tuple[bytes, list[str]]) -> None:
    stream, said = answer
    events = read(stream)
    assert segments(events) == said
    assert isinstance(events[-1], Stopped)
