"""Plain chunks. Invariant: what is taken, and what h11 then makes of the rest, is what h11 alone makes of all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from unittest.mock import patch

import h11
import pytest
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given
from hypothesis import strategies as st

from addons.proxy.engine.mitmproxy_patches import plain_chunks
from addons.proxy.engine.mitmproxy_patches.plain_chunks import take_chunks

State = tuple[bytes, str]
"""The bytes of a body so far, and how it goes on: end, open, or broken."""


def read_alone(reader: ChunkedReader, buffer: ReceiveBuffer) -> State:
    body = b""
    try:
        while event := reader(buffer):
            if isinstance(event, h11.EndOfMessage):
                return body, "end"
            body += bytes(event.data)
    except h11.ProtocolError:
        return body, "broken"
    return body, "open"


def read_all(reads: list[bytes], *, takes: bool) -> list[State]:
    """Return what each read brings."""
    reader, buffer = ChunkedReader(), ReceiveBuffer()
    found: list[State] = []
    for data in reads:
        taken, size = take_chunks(reader, data) if takes and not buffer else ([], 0)
        buffer += data[size:]
        body, how = read_alone(reader, buffer)
        found.append((b"".join(taken) + body, how))
        if how != "open":
            return [*found, (bytes(buffer), how)]
    return found


PARTS = st.one_of(
    st.binary(min_size=1, max_size=20), st.sampled_from([b"\r\n", b"0\r\n\r\n", b"a\r\n1\r\nb"])
)
HEADS = st.sampled_from([b"%x\r\n"] * 6 + [b"%X\r\n", b"00%x\r\n", b"%x;a=b\r\n", b"%x \r\n"])
CHUNKS = st.builds(lambda head, part: head % len(part) + part + b"\r\n", HEADS, PARTS)
ENDS = st.sampled_from(
    [*(b"", b"0\r\n\r\n", b"0\r\n\r\nnext", b"0\r\na: b\r\n\r\n", b"0\r\n", b"00\r\n\r\n", b"1", b"1\r\n", b"1\r\na\r"),
     *(b"1\r\naxx", b"1_0\r\na\r\n", b"+1\r\na\r\n", b" 1\r\na\r\n", b"\r\n", b"zz\r\n", b"-1\r\n\r\n", b"0x1\r\na\r\n")]
)  # fmt: skip


@given(st.lists(CHUNKS, max_size=8), ENDS, st.lists(st.integers(0, 200), max_size=6))
@example([b"2\r\n\r\n\r\n", b"1\r\na\r\n"], b"0\r\n\r\n", [3, 6])
@pytest.mark.parametrize("many", [0, 1 << 20], ids=["many", "few"])
def test_chunks_in_any_reads_equal_h11(
    many: int, chunks: list[bytes], end: bytes, places: list[int]
) -> None:
    data = b"".join(chunks) + end
    at = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    reads = [data[a:b] for a, b in pairwise(at)]
    with patch.object(plain_chunks, "_MANY", many):
        assert read_all(reads, takes=True) == read_all(reads, takes=False)


@pytest.mark.parametrize("size", [10, 5000])
def test_whole_read_is_taken_wherever_it_is_cut(size: int) -> None:
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)
    reader = ChunkedReader()
    body, stream = b"", chunk * 20
    cuts = [0, *range(size // 2 + 5, len(stream), len(chunk)), len(stream)]
    for start, end in pairwise(cuts):
        parts, taken = take_chunks(reader, stream[start:end])
        assert taken == end - start
        body += b"".join(parts)
    assert body == b"x" * size * 20


class Unsplit(bytes):
    """Bytes of which no part is split."""

    def __getitem__(self, key: Any) -> Any:
        return Unsplit(super().__getitem__(key))

    def split(self, *_: Any) -> list[bytes]:
        raise AssertionError


@pytest.mark.parametrize("size", [100, 10_000], ids=["small", "longer than a read"])
def test_read_whose_chunks_hold_line_ends_is_not_split_at_them(size: int) -> None:
    """Events whose lines end in CRLF took twice as long, and a file seven times: each line was made for nothing."""
    data = Unsplit((b"%x\r\n%b\r\n" % (size, b"\r\n" * (size // 2)) * 100)[:8000])
    with patch.object(plain_chunks, "bytes", lambda part: part, create=True):
        parts, taken = take_chunks(ChunkedReader(), data)
    assert (taken, b"".join(parts).count(b"\n") > 3500) == (len(data), True)


def test_time_is_linear_where_nothing_is_plain() -> None:
    """The first line tells: all of such a read is left to h11."""
    data = b"1;x\r\na\r\n" * 100_000
    with patch.object(plain_chunks, "bytes", side_effect=AssertionError, create=True):
        assert take_chunks(ChunkedReader(), data) == ([], 0)
