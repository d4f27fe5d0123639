from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.protocols.sse import BOM, BlockReader, Border, SseEvent, SseReader, parse_block

LIMIT = 1 << 20


def parsed(blocks: list[bytes]) -> list[SseEvent]:
    return [event for block in blocks if (event := parse_block(block))]


def read(stream: bytes, *, limit: int = LIMIT) -> list[SseEvent]:
    return parsed(SseReader(limit).feed(stream))


def read_in_pieces(stream: bytes, cuts: list[int], *, limit: int = LIMIT) -> list[SseEvent]:
    reader = SseReader(limit)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [
        event
        for start, end in itertools.pairwise(edges)
        for event in parsed(reader.feed(stream[start:end]))
    ]


@pytest.mark.parametrize(
    ("sent", "clean"),
    [
        ((), True),
        ((b"data: x\n\n",), True),
        ((b"data: x\n", b"\n"), True),
        ((b"data: x\r\n\r\n",), True),
        ((b"data: x\r\n", b"\r", b"\n"), True),
        ((b"data: x\r\r",), True),
        ((b"data: x\r\r\n",), True),
        ((b"data: x\n", b"\r\n"), True),
        ((b"d",), False),
        ((b"data: x\n",), False),
        ((b"data: x\r\n",), False),
        ((b"data: x\n\nd",), False),
        ((b"data: x\n\n", b""), True),
        ((b"data: x", b""), False),
    ],
)
def test_border_is_a_blank_line_or_the_beginning(sent: tuple[bytes, ...], clean: bool) -> None:
    border = Border()
    for data in sent:
        border.feed(data)
    assert border.clean is clean


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("", b"a")]),
        (b"data:a\n\n", [("", b"a")]),
        (b"data:  a\n\n", [("", b" a")]),
        (b"data\n\n", [("", b"")]),
        (b"data:\n\n", [("", b"")]),
        (b"event: x\ndata: a\n\n", [("x", b"a")]),
        (b"data: a\nevent:x\n\n", [("x", b"a")]),
        (b"event: x\nevent\ndata: a\n\n", [("", b"a")]),
        (b"data: a\ndata: b\ndata:\n\n", [("", b"a\nb\n")]),
        (b": comment\n\ndata: a\n\n", [("", b"a")]),
        (b":\nid: 7\nretry: 3\nnonsense\ndata: a\n\n", [("", b"a")]),
        (b"event: only\n\n", []),
        (b"database: a\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\r\r\ndata: d\n\r\n", [("", x) for x in (b"a", b"b", b"c", b"d")]),
        (BOM + b"data: a\n\n", [("", b"a")]),
        (b"data: \xff\xfe\n\n", [("", b"\xff\xfe")]),
        (b"event: \xff\ndata: a\n\n", [("�", b"a")]),
        (b"data: a\n\ndata: unfinished\n", [("", b"a")]),
    ],
)  # fmt: skip
def test_events_are_parsed_as_in_the_standard(
    stream: bytes, events: list[tuple[str, bytes]]
) -> None:
    assert read(stream) == [SseEvent(*event) for event in events]
    assert read_in_pieces(stream, list(range(len(stream)))) == read(stream)


PIECES = st.sampled_from(
    [b"data: a", b"data", b"event: x", b": c", b"\n", b"\r", b"\r\n", b"\n\n", b"x", BOM, b"", b"data: " + b"y" * 30]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25), st.lists(st.integers(0, 400), max_size=12))
def test_any_split_gives_the_same_events(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    for limit in (LIMIT, 20):
        whole = SseReader(limit)
        expected = parsed(whole.feed(stream))
        assert read_in_pieces(stream, cuts, limit=limit) == expected
        assert read_in_pieces(stream, list(range(len(stream))), limit=limit) == expected


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_read(first: bytes, second: bytes) -> None:
    reader = SseReader(64)
    reader.feed(first)
    reader.feed(second)
    reader.finish()


def test_pending_is_true_inside_an_event() -> None:
    reader = SseReader(LIMIT)
    assert not reader.pending
    reader.feed(b"data: a\n\n")
    assert not reader.pending
    reader.feed(b"data: {")
    assert reader.pending
    reader.feed(b"}\n\n")
    assert not reader.pending


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_last_event_without_its_blank_line_is_returned(ending: bytes) -> None:
    reader = SseReader(LIMIT)
    assert reader.feed(BOM + b"event: x\ndata: a" + ending) == []
    assert parsed(reader.finish()) == [SseEvent("x", b"a")]


def test_nothing_is_pending_after_a_complete_stream() -> None:
    reader = SseReader(LIMIT)
    reader.feed(b"data: a\n\n\n")
    assert reader.finish() == []


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_oversized_event_is_dropped(step: int) -> None:
    reader = SseReader(16)
    stream = b"data: 0123456789\n\ndata: 0123456789X\n\n\ndata: next\n\n"
    events = [
        event
        for start in range(0, len(stream), step)
        for event in parsed(reader.feed(stream[start : start + step]))
    ]
    assert [event.data for event in events] == [b"0123456789", b"next"]
    assert reader.too_large


def test_oversized_event_is_reported_before_it_ends_and_not_kept() -> None:
    reader = BlockReader(100)
    for _ in range(50):
        reader.feed(b"x" * 64)
    assert reader.too_large
    assert reader.inside
    assert reader.pending == b""
    assert reader.feed(b"\n\ndata: a\n\n") == [b"data: a"]


def test_event_of_the_maximum_size_is_read() -> None:
    reader = SseReader(16)
    reader.feed(b"data: 0123456789\n\n" * 10)
    assert not reader.too_large


def seconds_for(total: int) -> float:
    reader = SseReader(1 << 26)
    chunk = b"x" * 65_536
    start = time.process_time()
    reader.feed(b"data: ")
    for _ in range(total // len(chunk)):
        reader.feed(chunk)
    assert len(reader.feed(b"\n\n")[0]) == total + len(b"data: ")
    return time.process_time() - start


def test_long_event_in_many_reads_takes_linear_time() -> None:
    # Reading from the start at each read would process 128 times 4 MiB on average: half a second.
    assert min(seconds_for(8 << 20) for _ in range(3)) < 0.15
