"""Frames against wsproto, which is another implementation, and against RFC 6455 itself."""

from __future__ import annotations

import pytest
from wsproto import ConnectionType, events
from wsproto.connection import Connection

from addons.core.protocols.websocket import frames
from addons.core.protocols.websocket.frames import FrameReader, Message, client_frame, masked

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
