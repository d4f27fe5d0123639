"""Frames against wsproto, which is another implementation, and against RFC 6455 itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto import ConnectionType, events
from wsproto.connection import Connection

from addons.core.protocols.websocket import frames
from addons.core.protocols.websocket.frames import (
    ClientFrameReader,
    FrameReader,
    Message,
    client_frame,
    masked,
)

KEY = b"\x37\xfa\x21\x3d"
LIMIT = 1 << 20


def server() -> Connection:
    return Connection(ConnectionType.SERVER)


def test_masks_as_the_example_of_the_rfc() -> None:
    # RFC 6455, 5.7
    assert client_frame(frames.TEXT, b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert masked(masked(b"Hello", KEY), KEY) == b"Hello"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_001])
def test_a_server_reads_each_size(size: int) -> None:
    text, peer = "x" * size, server()
    peer.receive_data(client_frame(frames.TEXT, text.encode(), KEY))
    found = [event for event in peer.events() if isinstance(event, events.TextMessage)]
    assert "".join(event.data for event in found) == text
    assert found[-1].message_finished


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_001])
@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_reads_each_size_in_parts_of_any_size(size: int, step: int) -> None:
    step = max(step, size // 500)
    data = server().send(events.TextMessage("x" * size)) + server().send(events.Ping(b"p"))
    reader, found = FrameReader(LIMIT), []
    for at in range(0, len(data), step):
        found += reader.feed(data[at : at + step])
    assert found == [Message(frames.TEXT, b"x" * size), Message(frames.PING, b"p")]
    assert reader.broken is None


def peer_of(parts: list[bytes]) -> list[tuple[str, object]]:
    """What wsproto makes of these reads: whole texts, pings, and the code of the end."""
    peer, text = server(), ""
    found: list[tuple[str, object]] = []
    for part in parts:
        peer.receive_data(part)
        for event in peer.events():
            if isinstance(event, events.TextMessage):
                text += event.data
                if event.message_finished:
                    found.append(("text", text.encode()))
                    text = ""
            elif isinstance(event, events.Ping):
                found.append(("ping", bytes(event.payload)))
            elif isinstance(event, events.CloseConnection):
                return [*found, ("end", int(event.code))]
    return found


def own(parts: list[bytes]) -> list[tuple[str, object]]:
    """What `ClientFrameReader` makes of them."""
    reader = ClientFrameReader(LIMIT)
    found: list[tuple[str, object]] = []
    for part in parts:
        for opcode, data in reader.feed(part):
            if opcode == frames.CLOSE:
                try:
                    found.append(("end", frames.close_code(data)))
                except frames.FrameError as error:
                    found.append(("end", error.code))
                return found
            if opcode != frames.PONG:
                found.append(("text" if opcode == frames.TEXT else "ping", data))
        if reader.broken:
            return [*found, ("end", reader.broken.code)]
    return found


def client_part(first: int, payload: bytes) -> bytes:
    """A masked frame with any first byte."""
    return bytes((first,)) + client_frame(0, payload, KEY)[1:]


PARTS = st.one_of(
    st.builds(
        client_part,
        st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x89, 0x8A, 0x83, 0xC1, 0xA1, 0x09]),
        st.one_of(st.text(max_size=9).map(str.encode), st.sampled_from([b"x" * 126, b"y" * 1025])),
    ),
    st.builds(
        client_part,
        st.just(0x88),
        st.sampled_from([b"", b"\x03", b"\x03\xe8ok", b"\x03\xed", b"\x0b\xb7", b"\x0f\xa0\xff"]),
    ),
    st.sampled_from(
        [b"\x81", b"\x81\x01x", b"\x81\xfe\0\x02" + KEY + b"xx", b"\x81\xff" + bytes(12)]
    ),
)


LAST_PART, LIMIT_OF_REST = client_part(0x80, b""), 130
"""What ends a message in fragments, and more bytes than the last frame of `PARTS` may lack."""


@given(st.lists(PARTS, max_size=6), st.lists(st.integers(0, 3000), max_size=6))
@example([b"\x81\xfe\0\x02" + KEY + b"xx"], [])
@example([client_part(0x88, b"\x0f\xa0\xff")], [])
@example([b"\x81", b"\x89\x80" + KEY], [])
@example([b"\x01", b"\x89\x80" + KEY], [])
@example([client_part(1, b""), b"\x81", b"\x89\x80" + KEY[:3] + b"!="], [])
@example([client_part(1, b""), b"\x81", b"\x89\x80" + KEY[:3]], [])
def test_a_client_is_read_as_by_wsproto(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found, expected = own([data[a:b] for a, b in pairwise(edges)]), peer_of([data])
    if expected == [*found, ("end", frames.INVALID_DATA)]:
        # wsproto reports invalid text inside of a message, `ClientFrameReader` at its end
        assert any(
            own([data + bytes(rest) + LAST_PART]) == expected for rest in range(LIMIT_OF_REST)
        )
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\xff", None),
        (b"\x82\x81" + KEY, frames.UNSUPPORTED),
        (b"\x02\xfe\x0f\xff", frames.UNSUPPORTED),
        (b"\x81\xff" + (LIMIT + 1).to_bytes(8), frames.TOO_LARGE),
        (client_frame(frames.TEXT, b"\xc3\x28", KEY), frames.INVALID_DATA),
    ],
)
def test_a_frame_of_a_client_is_refused_at_its_head(data: bytes, code: int | None) -> None:
    reader = ClientFrameReader(LIMIT)
    assert reader.feed(client_frame(frames.TEXT, "grün".encode(), KEY) + data) == [
        Message(frames.TEXT, "grün".encode())
    ]
    assert (reader.broken and reader.broken.code) == code


def test_joins_fragments_around_control_frames() -> None:
    peer = server()
    parts = [
        peer.send(events.TextMessage("gr", message_finished=False)),
        peer.send(events.Ping(b"in between")),
        peer.send(events.TextMessage("ün", message_finished=False)),
        peer.send(events.TextMessage("", message_finished=True)),
        peer.send(events.BytesMessage(b"\xff")),
        peer.send(events.CloseConnection(1001, "bye")),
    ]
    reader = FrameReader(LIMIT)
    assert reader.feed(b"".join(parts)) == [
        Message(frames.PING, b"in between"),
        Message(frames.TEXT, "grün".encode()),
        Message(frames.BINARY, b"\xff"),
        Message(frames.CLOSE, (1001).to_bytes(2) + b"bye"),
    ]
    assert reader.broken
    assert reader.feed(b"\x81\x01x") == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x85" + KEY + b"xxxxx", frames.PROTOCOL_ERROR),  # masked
        (b"\xc1\x01x", frames.PROTOCOL_ERROR),  # compressed, not agreed on
        (b"\xa1\x01x", frames.PROTOCOL_ERROR),  # a reserved bit
        (b"\x83\x01x", frames.PROTOCOL_ERROR),  # an unknown opcode
        (b"\x8b\x00", frames.PROTOCOL_ERROR),  # an unknown control frame
        (b"\x09\x00", frames.PROTOCOL_ERROR),  # a ping in fragments
        (b"\x89\x7e\x00\x7e", frames.PROTOCOL_ERROR),  # a long ping
        (b"\x80\x01x", frames.PROTOCOL_ERROR),  # a fragment of nothing
        (b"\x01\x01x\x81\x01y", frames.PROTOCOL_ERROR),  # a message inside of another
        (b"\x01\x01x\xc0\x01y", frames.PROTOCOL_ERROR),  # a compressed continuation
        (b"\x81\x02\xc3\x28", frames.INVALID_DATA),  # no UTF-8
        (b"\x81\x7f" + (LIMIT + 1).to_bytes(8), frames.TOO_LARGE),
        (b"\x81\x7f\xff" + bytes(7), frames.TOO_LARGE),
        (b"\x81\x7e\x00\x01x", frames.PROTOCOL_ERROR),  # a longer head than needed
        (b"\x81\x7f" + (0xFFFF).to_bytes(8), frames.PROTOCOL_ERROR),
    ],
)
def test_what_breaks_a_rule_is_refused(data: bytes, code: int) -> None:
    reader = FrameReader(LIMIT)
    # what came before it counts
    assert reader.feed(b"\x81\x02ok" + data) == [Message(frames.TEXT, b"ok")]
    assert reader.broken
    assert reader.broken.code == code


def test_fragments_have_the_limit_of_a_message() -> None:
    reader = FrameReader(10)
    assert reader.feed(b"\x01\x06" + b"x" * 6) == []
    assert reader.broken is None
    reader.feed(b"\x80\x06" + b"x" * 6)
    assert reader.broken
    assert reader.broken.code == frames.TOO_LARGE


def test_a_read_of_one_text_message_is_its_text() -> None:
    reader = ClientFrameReader(LIMIT)
    assert reader.whole_text(client_frame(frames.TEXT, "é".encode(), KEY)) == "é".encode()
    assert not reader.is_inside


@pytest.mark.parametrize(
    "read",
    [
        client_frame(frames.TEXT, b"{}", KEY)[:-1],
        client_frame(frames.TEXT, b"{}", KEY) * 2,
        client_frame(frames.TEXT, b"{}", KEY) + b"\x81",
        client_frame(frames.TEXT, b"\xff", KEY),
        client_frame(frames.TEXT, b"x" * (LIMIT + 1), KEY),
        client_frame(frames.PING, b"", KEY),
        client_frame(frames.CLOSE, b"", KEY),
        b"",
    ],
)
def test_any_other_read_is_left_for_feed(read: bytes) -> None:
    asked, fed = ClientFrameReader(LIMIT), ClientFrameReader(LIMIT)
    assert asked.whole_text(read) is None
    assert asked.feed(read) == fed.feed(read)
    assert str(asked.broken) == str(fed.broken)


def test_a_read_behind_a_part_of_a_message_is_left_for_feed() -> None:
    reader = ClientFrameReader(LIMIT)
    frame = client_frame(frames.TEXT, b"{}", KEY)
    reader.feed(bytes((frames.TEXT,)) + frame[1:])
    assert reader.whole_text(frame) is None


def test_nothing_is_read_behind_a_close_frame() -> None:
    reader = ClientFrameReader(LIMIT)
    reader.feed(client_frame(frames.CLOSE, b"", KEY))
    assert reader.whole_text(client_frame(frames.TEXT, b"{}", KEY)) is None
