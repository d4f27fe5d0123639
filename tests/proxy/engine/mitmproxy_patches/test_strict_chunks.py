"""Chunks of a request, whole and byte by byte."""

from __future__ import annotations

import h11
import pytest
from h11._receivebuffer import ReceiveBuffer

from addons.proxy.engine.mitmproxy_patches.strict_chunks import MAX_LINE_BYTES, StrictChunkedReader

TRAILER_BYTES = 100


def read(data: bytes, size: int) -> tuple[bytes, bool]:
    """Return the body and whether it ended, for reads of this size."""
    reader, buffer, body = StrictChunkedReader(TRAILER_BYTES), ReceiveBuffer(), b""
    for at in range(0, len(data), size):
        buffer += data[at : at + size]
        while event := reader(buffer):
            if isinstance(event, h11.EndOfMessage):
                return body, True
            body += bytes(event.data)
    return body, False


SIZES = pytest.mark.parametrize("size", [1, 2, 3, 1000])


@SIZES
@pytest.mark.parametrize(
    "data",
    [
        b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        b"2;x=y\r\nab\r\n1\r\nc\r\n0;z\r\n\r\n",
        b"3\r\nabc\r\n0\r\nx: 1\r\ny: 2\r\n\r\n",
    ],
)
def test_body_is_read_whole(data: bytes, size: int) -> None:
    assert read(data, size) == (b"abc", True)


@SIZES
@pytest.mark.parametrize(
    "data",
    [
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n+0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nx : 1\r\n\r\n",
        b"3\r\nabc\r\n0\r\n" + b"x: 1\r\n" * TRAILER_BYTES,
        b"3\r\nabcd\r\n",
        b"1" * MAX_LINE_BYTES,
        b"3;" + b"a" * MAX_LINE_BYTES + b"\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_invalid_chunks_raise(data: bytes, size: int) -> None:
    with pytest.raises(h11.ProtocolError):
        read(data, size)


@SIZES
def test_body_without_its_end_waits(size: int) -> None:
    assert read(b"3\r\nabc\r\n0\r\n", size) == (b"abc", False)
