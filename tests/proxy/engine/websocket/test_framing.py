"""The frames of a client: the same messages however they are cut, and a clear end for what is no frame."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, Pong, TextMessage

from addons.proxy.engine.websocket.framing import (
    MAX_REASON_BYTES,
    CloseCode,
    Ended,
    FrameReader,
    Pinged,
    Received,
    Text,
    close_frame,
    pong_frame,
    text_frames,
)
from tests.support.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame

CONTINUATION = 0
STREAM = b"".join(
    (
        frame(TEXT, "ä €".encode()),
        frame(TEXT, "aä".encode()[:2], fin=False),
        frame(PING, b"p"),
        frame(CONTINUATION, b"", fin=False),
        frame(PONG, b"unasked"),
        frame(CONTINUATION, "ä".encode()[1:]),
        frame(TEXT, b"x" * 300),
        frame(TEXT, b""),
        frame(CLOSE, b"\x03\xe8bye"),
        b"behind the end",
    )
)
MESSAGES = [Text("ä €".encode()), Pinged(b"p"), Text("aä".encode()), Text(b"x" * 300), Text(b"")]


def read(*parts: bytes, limit: int = 10_000) -> list[Received]:
    reader = FrameReader(limit)
    found: list[Received] = []
    for part in parts:
        if not reader.is_ended:
            found += reader.feed(part)
    return found


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_cut_gives_the_same_messages(borders: list[int]) -> None:
    edges = [0, *sorted(borders), len(STREAM)]
    found = read(*(STREAM[a:b] for a, b in pairwise(edges)))
    assert found == [*MESSAGES, Ended(1000)]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_any_bytes_give_messages_or_an_end(parts: list[bytes]) -> None:
    for found in read(*parts):
        assert isinstance(found, Text | Pinged | Ended)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"x"), CloseCode.NOT_TEXT),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, "ä".encode()[:1]), 1007),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(3, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (b"\xc1" + frame(TEXT, b"x")[1:], 1002),
        (frame(CLOSE, b""), 1000),
        (frame(CLOSE, b"\x0f\xa0"), 4000),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(CLOSE, b"\x03\xe7"), 1002),
        (frame(CLOSE, b"\x0b\xb7"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
    ],
)
def test_what_is_no_text_frame_ends_the_connection(data: bytes, code: int) -> None:
    *before, ended = read(data + frame(TEXT, b"behind"))
    assert before == []
    assert isinstance(ended, Ended)
    assert ended.code == code
    close_frame(ended.code, ended.reason)


@pytest.mark.parametrize("fragments", [1, 3, 500])
def test_limit_counts_the_whole_message(fragments: int) -> None:
    def message(size: int) -> bytes:
        parts = [b"x" * (size // fragments)] * (fragments - 1)
        parts.append(b"x" * (size - sum(map(len, parts))))
        frames = [frame(CONTINUATION if n else TEXT, one, fin=False) for n, one in enumerate(parts)]
        return b"".join(frames) + frame(CONTINUATION, b"")

    assert read(message(1000), message(1000), limit=1000) == [Text(b"x" * 1000)] * 2
    (ended,) = read(message(1001), limit=1000)
    assert isinstance(ended, Ended)
    assert (ended.code, "1000 bytes" in ended.reason) == (CloseCode.TOO_LARGE, True)


def test_large_frame_ends_the_connection_before_it_is_whole() -> None:
    reader = FrameReader(1000)
    assert list(reader.feed(frame(TEXT, b"x" * 1000)[:900])) == []
    assert reader.is_inside
    assert list(reader.feed(frame(TEXT, b"x" * 1000)[900:])) == [Text(b"x" * 1000)]
    (ended,) = reader.feed(frame(TEXT, b"x" * 5000)[:4])
    assert isinstance(ended, Ended)
    assert ended.code == CloseCode.TOO_LARGE
    assert not reader.is_inside


@pytest.mark.parametrize("data", [b"\x81", frame(TEXT, b"", fin=False), frame(TEXT, b"xy")[:7]])
def test_message_under_way_is_known_from_its_first_byte(data: bytes) -> None:
    reader = FrameReader(1000)
    assert not reader.is_inside
    assert list(reader.feed(frame(TEXT, b"x") + data)) == [Text(b"x")]
    assert reader.is_inside
    reader.end()
    assert not reader.is_inside


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_client_reads_what_is_written(size: int) -> None:
    client = Connection(ConnectionType.CLIENT)
    text = b"y" * size
    client.receive_data(text_frames([text]) + pong_frame(b"p") + close_frame(1009, "ü" * 300))
    *parts, pong, close = client.events()
    assert all(isinstance(part, TextMessage) for part in parts)
    assert "".join(part.data for part in parts if isinstance(part, TextMessage)) == text.decode()
    assert isinstance(pong, Pong)
    assert pong.payload == b"p"
    assert isinstance(close, CloseConnection)
    assert (close.code, len(close.reason or "")) == (1009, MAX_REASON_BYTES)


def test_texts_of_one_read_are_framed_as_each_on_its_own() -> None:
    texts = [b"z" * size for size in (0, 1, 125, 126, 1023, 1024, 65535, 65536)]
    for some in (texts, texts[:5], texts[5:], texts[::-1]):
        assert text_frames(some) == b"".join(text_frames([text]) for text in some)
    assert text_frames([]) == b""
