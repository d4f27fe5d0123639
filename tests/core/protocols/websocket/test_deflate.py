"""Compression against wsproto: windows, takeover, and how much is decompressed."""

from __future__ import annotations

import os
import tracemalloc
import zlib

import pytest
from wsproto import ConnectionType, events
from wsproto.connection import Connection
from wsproto.extensions import PerMessageDeflate

from addons.core.protocols.websocket import deflate, frames
from addons.core.protocols.websocket.deflate import Agreement, Deflater, Inflater, agreement_of
from addons.core.protocols.websocket.frames import FrameError, FrameReader, client_frame

LIMIT = 1 << 22


def server(**options: bool) -> tuple[Connection, Agreement]:
    """Return a server that has agreed on compression, and the agreement."""
    extension = PerMessageDeflate(**options)
    answer = extension.accept(deflate.OFFER.decode())
    agreement = agreement_of(f"permessage-deflate; {answer}")
    assert agreement
    return Connection(ConnectionType.SERVER, [extension]), agreement


def received(peer: Connection) -> str:
    return "".join(event.data for event in peer.events() if isinstance(event, events.TextMessage))


@pytest.mark.parametrize(
    "options",
    [{}, {"client_no_context_takeover": True}, {"server_no_context_takeover": True}],
    ids=["takeover", "client without", "server without"],
)
def test_a_server_reads_and_writes_messages_of_any_size(options: dict[str, bool]) -> None:
    peer, agreement = server(**options)
    deflater, reader = Deflater(agreement), FrameReader(LIMIT, Inflater(agreement))
    small, large = "small " * 100, os.urandom(deflate.FAST_FROM // 2 + 1).hex()
    for text in (small, small, large, small, large[:-1], "", small):
        payload = deflater.message(text.encode())
        assert payload is not None
        peer.receive_data(client_frame(frames.TEXT, payload, b"keyy", is_deflated=True))
        assert received(peer) == text
        (message,) = reader.feed(peer.send(events.TextMessage(text)))
        assert message.data.decode() == text


def test_the_second_of_two_equal_messages_is_nearly_nothing() -> None:
    deflater, text = Deflater(Agreement()), os.urandom(5000).hex().encode()
    first, second = deflater.message(text), deflater.message(text)
    assert first
    assert second
    assert len(second) < len(first) / 50


def test_very_large_messages_are_not_compressed() -> None:
    deflater = Deflater(Agreement())
    assert deflater.message(b"x" * deflate.PLAIN_FROM) is not None
    assert deflater.message(b"x" * (deflate.PLAIN_FROM + 1)) is None


def test_small_window_is_kept() -> None:
    peer = Connection(ConnectionType.SERVER, [_with_window(9)])
    deflater = Deflater(Agreement(client_bits=9))
    text = os.urandom(2000).hex() * 3
    payload = deflater.message(text.encode())
    assert payload
    peer.receive_data(client_frame(frames.TEXT, payload, b"keyy", is_deflated=True))
    assert received(peer) == text


def _with_window(bits: int) -> PerMessageDeflate:
    extension = PerMessageDeflate()
    extension.accept(f"permessage-deflate; client_max_window_bits={bits}")
    return extension


def test_window_that_zlib_does_not_know_leads_to_plain_messages() -> None:
    assert Deflater(Agreement(client_bits=8)).message(b"x" * 1000) is None


def deflated(data: bytes, mode: int = zlib.Z_SYNC_FLUSH) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(data) + stream.flush(mode)).removesuffix(b"\x00\x00\xff\xff")


def test_message_is_decompressed_up_to_the_limit() -> None:
    inflater = Inflater(Agreement())
    assert len(inflater.message(deflated(b"x" * 1000), 1000)) == 1000
    for size in (1001, 50_000_000):
        with pytest.raises(FrameError) as raised:
            Inflater(Agreement()).message(deflated(b"x" * size), 1000)
        assert raised.value.code == frames.TOO_LARGE


def test_what_exceeds_the_limit_is_not_held_in_memory() -> None:
    bomb = deflated(b"x" * 20_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            Inflater(Agreement()).message(bomb, 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_message_that_is_not_compressed_data_is_refused() -> None:
    with pytest.raises(FrameError) as raised:
        Inflater(Agreement()).message(b"\xff\xff\xff\xff", 1000)
    assert raised.value.code == frames.INVALID_DATA


def test_message_may_end_its_stream() -> None:
    inflater = Inflater(Agreement())
    assert inflater.message(deflated(b"one", zlib.Z_FINISH), 1000) == b"one"
    assert inflater.message(deflated(b"two"), 1000) == b"two"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", None),
        ("permessage-deflate", Agreement()),
        (
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
            Agreement(client_takeover=False, server_takeover=False),
        ),
        (
            'permessage-deflate; server_max_window_bits=10; client_max_window_bits="12"',
            Agreement(client_bits=12),
        ),
    ],
)
def test_agreement(answer: str, expected: Agreement | None) -> None:
    assert agreement_of(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "x-other",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ],
)
def test_answer_to_something_else_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match=r"deflate|x-other"):
        agreement_of(answer)
