"""Requests that RFC 9112 tells a server to refuse: 400 and a closed connection, and nothing reaches an upstream.

Each shape carries a second request behind it. A reader that misunderstands the first one would answer the second.
"""

from __future__ import annotations

import pytest

from tests.boundary.scripts import BODY, DONE, EVENT, turn
from tests.support.client import client
from tests.support.engine import engine, to_ports
from tests.support.upstream import upstream
from tests.support.waiting import until

NEXT = b"POST /next HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}"
HOST = b"host: 127.0.0.1\r\n"


def head(*lines: bytes, first: bytes = b"POST /v1/responses HTTP/1.1") -> bytes:
    return b"".join(line + b"\r\n" for line in (first, b"host: 127.0.0.1", *lines, b""))


def whole(*lines: bytes, first: bytes = b"POST /v1/responses HTTP/1.1") -> bytes:
    return head(*lines, b"content-length: 2", first=first) + b"{}"


def chunked(body: bytes, coding: bytes = b"chunked") -> bytes:
    return head(b"transfer-encoding: " + coding) + body


ONE = b"2\r\n{}\r\n0\r\n\r\n"
"""A body of one chunk."""


def sized(line: bytes) -> bytes:
    """A body whose only chunk has this line."""
    return chunked(line + b"\r\n{}\r\n0\r\n\r\n")


VERSIONS = [b"HTTP/%d.%d" % (major, minor) for major in (0, 1, 2, 9) for minor in (0, 2, 9)]
VERSIONS += [
    b"HTTP/2.0",
    b"HTTP/1.10",
    b"HTTP/01.1",
    b"HTTP/1",
    b"http/1.1",
    b"HTTP/1,1",
    b"HTTPS/1.1",
    b"",
]
VERSIONS = [v for v in dict.fromkeys(VERSIONS) if v not in (b"HTTP/1.0", b"HTTP/1.1")]

LINES = {
    **{f"version {v!r}": whole(first=b"POST /v1/responses " + v) for v in VERSIONS},
    **{
        f"absolute form and version {v!r}": whole(first=b"POST http://127.0.0.1/v1/responses " + v)
        for v in (b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3.0")
    },
    "another host in absolute form": whole(first=b"POST http://evil.example/v1/responses HTTP/2.0"),
    "two blanks": whole(first=b"POST  /v1/responses HTTP/1.1"),
    "tab": whole(first=b"POST\t/v1/responses HTTP/1.1"),
    "form feed": whole(first=b"POST\x0c/v1/responses HTTP/1.1"),
    "blank at the end": whole(first=b"POST /v1/responses HTTP/1.1 "),
    "blank at the start": whole(first=b" POST /v1/responses HTTP/1.1"),
    "bare CR in the line": whole(first=b"POST /v1/responses\rHTTP/1.1"),
    "NUL in the target": whole(first=b"POST /v1/resp\x00onses HTTP/1.1"),
    "DEL in the target": whole(first=b"POST /v1/resp\x7fonses HTTP/1.1"),
    "bytes above ASCII in the target": whole(first=b"POST /v1/resp\xc3\xb6nses HTTP/1.1"),
    "method that is no token": whole(first=b"PO(ST /v1/responses HTTP/1.1"),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
FIELDS = {
    "folded line": whole(b"x-a: 1", b" 2"),
    "folded line with a tab": whole(b"x-a: 1", b"\t2"),
    "folded first line": whole(first=b"POST /v1/responses HTTP/1.1\r\n x: 1"),
    "folded length": head(b"content-length:", b" 2") + b"{}",
    "blank before the colon": whole(b"x-a : 1"),
    "tab before the colon": whole(b"x-a\t: 1"),
    "no colon": whole(b"x-a"),
    "no name": whole(b": 1"),
    "name that is no token": whole(b"x(a): 1"),
    "NUL in a name": whole(b"x-\x00a: 1"),
    **{
        f"{c!r} in a value": whole(b"x-a: 1" + c + b"2")
        for c in (b"\x00", b"\r", b"\x0b", b"\x0c", b"\x08", b"\x7f")
    },
    "two hosts": whole(b"host: 127.0.0.1"),
    "lines that end with LF": whole(b"x-a: 1").replace(b"\r\n", b"\n"),
    "first line that ends with LF": whole().replace(b"\r\n", b"\n", 1),
    "field that ends with LF": head(b"x-a: 1\nx-b: 2", b"content-length: 2") + b"{}",
    "blank line that is LF": whole().replace(b"\r\n\r\n", b"\r\n\n"),
    "LF before the request": b"\n" + whole(),
    "no host": b"POST /v1/responses HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
}
LENGTHS = {
    **{
        f"length {value!r}": head(b"content-length: " + value) + b"{}"
        for value in (
            b"+2",
            b"-2",
            b"2 2",
            b"2, 2",
            b"2,3",
            b"0x2",
            b"2_0",
            b"2.0",
            b"",
            b"two",
            b"\xb2",
            b"9" * 40,
        )
    },
    "two lengths": head(b"content-length: 2", b"content-length: 3") + b"{}",
    "two lengths in two cases": head(b"Content-Length: 2", b"content-lengtH: 0") + b"{}",
    "length and chunked": head(b"content-length: 2", b"transfer-encoding: chunked") + ONE,
    "chunked and length": head(b"transfer-encoding: chunked", b"content-length: 5") + ONE,
    "length and an empty coding": head(b"content-length: 2", b"transfer-encoding:") + b"{}",
}
CODINGS = {
    **{
        f"coding {value!r}": chunked(ONE, value)
        for value in (
            b"gzip, chunked",
            b"gzip,chunked",
            b"deflate , chunked",
            b"compress, chunked",
            b"identity, chunked",
            b"chunked, chunked",
            b"chunked, identity",
            b"chunked, gzip",
            b"gzip",
            b"identity",
            b"xchunked",
            b"",
            b"\x0bchunked",
            b"chunked\x0b",
            b"\x0cchunked",
            b"chunked\x0c",
            b"\x00chunked",
            b"chunked\x00",
            b"chunked\x1f",
            b"\x85chunked",
            b"\xa0chunked",
            b"chunked;q=1",
            b'"chunked"',
            b"chunked,",
            b", chunked",
            b"chun\xc5\xbfed",
            b"chunKed".replace(b"K", b"\xe2\x84\xaa"),
            b"chunked\rx",
        )
    },
    "two codings": head(b"transfer-encoding: chunked", b"transfer-encoding: chunked") + ONE,
    "coding in another line": head(b"transfer-encoding: gzip", b"transfer-encoding: chunked") + ONE,
    "folded coding": head(b"transfer-encoding:", b" chunked") + ONE,
    "coding in HTTP/1.0": head(b"transfer-encoding: chunked", first=b"POST /v1/responses HTTP/1.0")
    + ONE,
}
CHUNKS = {
    **{
        f"chunk line {line!r}": sized(line)
        for line in (
            b"+2",
            b"-2",
            b"0x2",
            b"2_0",
            b" 2",
            b"2 ",
            b"\t2",
            b"2\t",
            b"2\x0b",
            b"\x002",
            b"2\x00",
            b"2.0",
            b"2,0",
            b"",
            b";a=1",
            b"2;a\rb",
            b"2;a=\r",
            b"2;a\x00b",
            b"2;a=\x0b1",
            b"2\r",
            b"\r2",
            b"2;",
            b"2;;a",
            b"2;=1",
            b'2;a="',
            b"2;a=\nb",
            b"2\n",
            b"2 2",
            b"f" * 17,
            b"0" * 17 + b"2",
            b"2;" + b"a" * 9000,
        )
    },
    "chunk that is longer than its size": chunked(b"1\r\n{}\r\n0\r\n\r\n"),
    "chunk that ends with LF": chunked(b"2\r\n{}\n0\r\n\r\n"),
    "second chunk with a sign": chunked(b"1\r\n{\r\n+1\r\n}\r\n0\r\n\r\n"),
    "last chunk with a sign": chunked(b"2\r\n{}\r\n-0\r\n\r\n"),
    "folded trailer": chunked(b"2\r\n{}\r\n0\r\nx: 1\r\n 2\r\n\r\n"),
    "NUL in a trailer": chunked(b"2\r\n{}\r\n0\r\nx: \x00\r\n\r\n"),
    "bare CR in a trailer": chunked(b"2\r\n{}\r\n0\r\nx: 1\r2\r\n\r\n"),
    "trailer without a colon": chunked(b"2\r\n{}\r\n0\r\nx\r\n\r\n"),
    "trailer that ends with LF": chunked(b"2\r\n{}\r\n0\r\nx: 1\n\r\n"),
    "blank line after a trailer that is LF": chunked(b"2\r\n{}\r\n0\r\nx: 1\r\n\n"),
    "last line that is LF": chunked(b"2\r\n{}\r\n0\r\n\n"),
    "endless trailers": chunked(b"2\r\n{}\r\n0\r\n" + b"x: 1\r\n" * 20_000),
}
INVALID = LINES | FIELDS | LENGTHS | CODINGS | CHUNKS


@pytest.mark.parametrize("shape", INVALID)
async def test_invalid_framing_is_refused_and_closes_the_connection(shape: str) -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        for split in (False, True):
            async with client(proxy.port) as c:
                data = INVALID[shape] + NEXT
                if split:
                    for at in range(min(len(data), 400)):
                        c.writer.write(data[at : at + 1])
                        if at % 7 == 0:
                            await c.writer.drain()
                    data = data[400:]
                await c.send(data)
                rest = await c.eof()
            assert rest.startswith(b"HTTP/1.1 400 "), rest
            assert rest.count(b"HTTP/1.1 ") == 1
            assert b"connection: close" in rest.lower()
            assert b'"code":"bad_request"' in rest
        await until(lambda: proxy.engine.live_turns == 0)
    assert up.requests == []


VALID = {
    "length": whole(),
    "HTTP/1.0": whole(first=b"POST /v1/responses HTTP/1.0"),
    "chunked": chunked(ONE),
    "blanks and case": chunked(ONE, b"\t Chunked \t"),
    "extension": sized(b'2;a;b=c;d="e;\\" f"'),
    "blanks in an extension": sized(b"2;a = b"),
    "leading zeros of a size": sized(b"0002"),
    "trailer": chunked(b"2\r\n{}\r\n0\r\nx-a: 1\r\nx-b:\r\n\r\n"),
    "bytes above ASCII in a value": whole("x-a: ä".encode()),
    "blank line before the request": b"\r\n" + whole(),
    "two blank lines before the request": b"\r\n\r\n" + whole(),
    "empty value": whole(b"x-a:"),
}


@pytest.mark.parametrize("shape", VALID)
async def test_valid_framing_is_accepted(shape: str) -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy:
        async with client(proxy.port) as c:
            await c.send(VALID[shape])
            response = await c.response()
        assert (response.status, response.body) == (200, EVENT + DONE)
    assert [request.body for request in up.requests] == [b"{}"]


async def test_blank_line_between_two_requests_is_skipped() -> None:
    async with upstream(turn) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", BODY)
            assert (await c.response()).complete
            await c.send(b"\r\n")
    assert len(up.requests) == 2
