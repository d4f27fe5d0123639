"""The strict grammar of request heads, chunk lines and trailers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.server.admission import (
    are_valid_trailers,
    is_valid_chunk_line,
    is_valid_head,
)

LINE = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "head",
    [
        LINE,
        b"GET / HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
        LINE + b"Content-Length:\t12 \r\n",
        LINE + b"Transfer-Encoding: CHUNKED\r\n",
        LINE + b"x: \xff\r\n",
        LINE + b"X-Content-Length: 1\r\nContent-Length-X: 2\r\nContent-Length: 3\r\n",
    ],
)
def test_valid_head_is_accepted(head: bytes) -> None:
    assert is_valid_head(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n",
        LINE.removesuffix(b"\r\n"),
        LINE.replace(b"\r\n", b"\n"),
        LINE.replace(b"\r\n", b"\n", 1),
        LINE + b"x: 1\n",
        LINE + b"x: 1\ny: 2\r\n",
        LINE.replace(b"1.1", b"1.2"),
        LINE.replace(b"1.1", b"2.0"),
        LINE + b"Host: a\r\n",
        b"POST / HTTP/1.1\r\n",
        LINE + b" x: 1\r\n",
        LINE + b"x : 1\r\n",
        LINE + b"x: \x001\r\n",
        LINE + b"x: 1\r2\r\n",
        LINE + b"x: 1\r\r\n",
        LINE + b"Content-Length: 1\r\nCONTENT-LENGTH: 1\r\n",
        LINE + b"Content-Length: \r\n",
        LINE + b"Content-Length: +1\r\n",
        LINE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        LINE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        LINE + b"Transfer-Encoding: gzip, chunked\r\n",
        LINE + b"Transfer-Encoding: \r\n",
        LINE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n",
    ],
)
def test_invalid_head_is_refused(head: bytes) -> None:
    assert not is_valid_head(head)


@given(st.binary(max_size=8), st.integers(min_value=0, max_value=len(LINE) - 1))
def test_control_character_anywhere_in_a_head_is_refused(data: bytes, at: int) -> None:
    head = LINE[:at] + data + LINE[at:]
    controls = {each for each in data if each < 0x20 or each == 0x7F} - {0x09, 0x0A, 0x0D}
    assert not (controls and is_valid_head(head))


@pytest.mark.parametrize("line", [b"0", b"f" * 16, b"1;a", b"1;a=b;c", b'1;a="\\""', b"1 ; a = b"])
def test_valid_chunk_line_is_accepted(line: bytes) -> None:
    assert is_valid_chunk_line(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" 1",
        b"1 ",
        b"+1",
        b"-1",
        b"0x1",
        b"1_0",
        b"g",
        b"f" * 17,
        b"1;",
        b"1;a\r",
        b'1;a="',
        b"1;a=\x00",
        b"1\n",
    ],
)
def test_invalid_chunk_line_is_refused(line: bytes) -> None:
    assert not is_valid_chunk_line(line)


def test_trailers_are_field_lines() -> None:
    assert are_valid_trailers(b"")
    assert are_valid_trailers(b"x: 1\r\ny:\r\n")
    assert not are_valid_trailers(b"x: 1\r\ny:\n")
    assert not are_valid_trailers(b"x\r\n")
    assert not are_valid_trailers(b"x: 1\r\n y\r\n")
    assert not are_valid_trailers(b"x: 1")


def test_long_line_takes_linear_time() -> None:
    assert not is_valid_chunk_line(b"1" + b";a" * 100_000 + b"\r")
    assert not is_valid_chunk_line(b"1;a=" + b'"\\' * 100_000)
    assert not is_valid_head(LINE + b"x:" + b" " * 100_000 + b"\x00\r\n")


@pytest.mark.parametrize("name", [b"host", b"transfer-encoding", b"content-length"])
def test_blanks_within_a_value_take_linear_time(name: bytes) -> None:
    """In quadratic time this would exceed the time limit of a test by far."""
    head = LINE + name + b": a" + b" " * 2_000_000 + b"b\r\n"
    assert not is_valid_head(head)
