"""Joined reads. Invariant: however a body is cut into reads, h11's own reader would give the same bytes and end."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import h11
import pytest
from h11._readers import ChunkedReader, ContentLengthReader, Http10Reader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.proxy.layers.http._http1 import Http1Connection

from addons.proxy.engine.mitmproxy_patches.http1_connections import read_joined

Outcome = tuple[bytes, str]
"""The body's bytes, and how it ended: end, open, or broken."""


def alone(reader: object, reads: list[bytes], *, eof: bool) -> Outcome:
    """What h11 alone makes of it."""
    buffer, body = ReceiveBuffer(), b""
    try:
        for data in [*reads, *([None] if eof else [])]:
            if data is not None:
                buffer += data
            while event := reader.read_eof() if data is None else reader(buffer):  # type: ignore[attr-defined,operator]
                if isinstance(event, h11.EndOfMessage):
                    return body, "end"
                body += bytes(event.data)
    except h11.ProtocolError:
        return body, "broken"
    return body, "open"


def joined(reader: object, reads: list[bytes], *, eof: bool) -> Outcome:
    """What our joined reads make of it. At most one Data a read."""
    fake = SimpleNamespace(buf=ReceiveBuffer(), body_reader=reader)
    connection, body = cast("Http1Connection", fake), b""
    try:
        for data in [*reads, *([None] if eof else [])]:
            if data is not None:
                connection.buf += data
            part, is_ended, fault = read_joined(connection, at_eof=data is None)
            body += part
            if is_ended:
                return body, "end"
            if fault:
                return body, "broken"
    except h11.ProtocolError:
        return body, "broken"
    return body, "open"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(at)] or [b""]


EXTENSIONS = st.sampled_from([b"", b";a", b";a=b", b' ; q="x"', b";" + b"y" * 50])
SIZES = st.sampled_from([b"%x", b"%X", b"0%x", b"000%x"])


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    data = draw(st.binary(min_size=1, max_size=40))
    return draw(SIZES) % len(data) + draw(EXTENSIONS) + b"\r\n" + data + b"\r\n"


ENDS = [b"", b"0\r\n\r\n", b"0;x\r\n\r\n", b"000\r\n\r\n", b"0\r\nx-a: b\r\nc: d\r\n\r\n", b"0\r\n"]
BROKEN = [
    b"zz\r\n",
    b"0x1\r\na\r\n",
    b"+1\r\na\r\n",
    b"1_0\r\n",
    b" 1\r\na\r\n",
    b"-1\r\n",
    b"\r\n",
    b"2\r\nabc",
]
CUTS = st.lists(st.integers(0, 300), max_size=12)


@given(
    st.lists(chunks(), max_size=6),
    st.sampled_from(ENDS + BROKEN),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]),
    CUTS,
    st.booleans(),
)
@example([b"1\r\n\0\r\n", b"1\r\n\0\r\n"], b"", b"", [5], False)
def test_chunked_body_in_any_cuts_equals_h11(
    parts: list[bytes], end: bytes, next_message: bytes, places: list[int], eof: bool
) -> None:
    data = b"".join(parts) + end + next_message
    whole = alone(ChunkedReader(), [data], eof=eof)
    reads = cut(data, places)
    assert joined(ChunkedReader(), reads, eof=eof) == alone(ChunkedReader(), reads, eof=eof)
    assert joined(ChunkedReader(), reads, eof=eof) == whole
    assert joined(ChunkedReader(), [data], eof=eof) == whole


@given(st.binary(max_size=100), st.integers(0, 100), CUTS, st.booleans())
def test_body_with_a_length_in_any_cuts_equals_h11(
    data: bytes, length: int, places: list[int], eof: bool
) -> None:
    reads = cut(data, places)
    expected = alone(ContentLengthReader(length), [data], eof=eof)
    assert joined(ContentLengthReader(length), reads, eof=eof) == expected


@given(st.binary(max_size=100), CUTS, st.booleans())
def test_close_delimited_body_in_any_cuts_equals_h11(
    data: bytes, places: list[int], eof: bool
) -> None:
    expected = alone(Http10Reader(), [data], eof=eof)
    assert joined(Http10Reader(), cut(data, places), eof=eof) == expected


@pytest.mark.parametrize("end", BROKEN[:-1])
def test_whole_part_before_broken_framing_is_given(end: bytes) -> None:
    body, how = joined(ChunkedReader(), [b"3\r\nabc\r\n" + end], eof=False)
    assert body == b"abc"
    assert how in ("broken", "open")


def test_bytes_after_the_end_stay_in_the_buffer() -> None:
    fake = SimpleNamespace(buf=ReceiveBuffer(), body_reader=ChunkedReader())
    fake.buf += b"1\r\na\r\n0\r\n\r\nnext"
    read_joined(cast("Http1Connection", fake), at_eof=False)
    assert bytes(fake.buf) == b"next"


def test_plain_chunks_are_cut_without_h11(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of events is a chunk an event: h11 alone takes five times as long for each."""
    calls = 0
    read = ChunkedReader.__call__

    def counted(self: ChunkedReader, buf: ReceiveBuffer) -> object:
        nonlocal calls
        calls += 1
        return read(self, buf)

    monkeypatch.setattr(ChunkedReader, "__call__", counted)
    reads = [b"3\r\nabc\r\n" * 100, b"3\r\nab", b"c\r\n" + b"3\r\nabc\r\n" * 100 + b"0\r\n\r\n"]
    assert joined(ChunkedReader(), reads, eof=False) == (b"abc" * 201, "end")
    assert calls < 12
