"""Line framing: splits, limits, and control lines."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from addons.core.cursor.lines import LineSplitter, control_line, event_line, read_control
from addons.core.errors import Problem


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"bcd", b"\r\n"]), max_size=12),
    st.lists(st.integers(0, 30), max_size=5),
)
def test_any_split_gives_the_same_lines(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    splitter = LineSplitter()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    lines = [line for a, b in itertools.pairwise(edges) for line in splitter.feed(data[a:b])]
    assert [*lines, *splitter.finish()] == data.split(b"\n")[
        : None if data.rpartition(b"\n")[2] else -1
    ]


def test_only_the_line_over_the_limit_is_dropped() -> None:
    splitter = LineSplitter(4)
    lines = [*splitter.feed(b"ab\ncd"), *splitter.feed(b"efg"), *splitter.feed(b"hi\nj\n")]
    assert (lines, splitter.dropped) == ([b"ab", b"j"], 1)


def test_event_and_control_lines_are_distinguished() -> None:
    problem = Problem(400, "c", "m", "t")
    assert read_control(control_line(problem).strip()) == problem
    assert event_line(control_line(problem)) is None
    assert event_line(b' stdout: {"a":1}\r') == b'{"a":1}'
    assert event_line(b"T: [x]") is None
