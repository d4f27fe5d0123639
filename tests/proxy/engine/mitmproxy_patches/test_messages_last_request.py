"""Which request is a client's last one, by what it sent ahead."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.net.http import http1

from addons.core.server.admission import is_valid_head
from addons.proxy.engine.mitmproxy_patches.messages import (
    MAX_AHEAD,
    ends_with_last_request,
    is_last_request,
    read_request,
    request_size,
    says_close,
)

HOST = b"Host: a\r\n"
NEXT = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "is_last"),
    [
        (b"", False),
        (NEXT, False),
        (LAST, True),
        (b"\r\n" + NEXT + b"\r\n\r\n" + LAST, True),
        (LAST[:-1], False),
        (LAST.replace(b"\r\n", b"\n"), False),
        (NEXT.replace(b"GET / ", b"GET  / ") + LAST, False),
        (LAST.replace(HOST, HOST + b"Content-Length: 2\r\n") + b"ab", True),
        (LAST.replace(HOST, HOST + b"Content-Length: 2\r\n") + b"a", False),
        (
            LAST.replace(HOST, HOST + b"Transfer-Encoding: chunked\r\n") + b"1\r\na\r\n0\r\n\r\n",
            True,
        ),
        (LAST.replace(HOST, HOST + b"Transfer-Encoding: chunked\r\n") + b"1\r\na\r\n", False),
        (NEXT * (MAX_AHEAD - 1) + LAST, True),
        (NEXT * MAX_AHEAD + LAST, False),
    ],
)
def test_whole_requests_end_with_a_last_one(data: bytes, is_last: bool) -> None:
    assert ends_with_last_request(data) is is_last


@pytest.mark.parametrize(
    ("version", "connection", "closes", "is_last"),
    [
        (b"1.1", b"", False, False),
        (b"1.1", b"keep-alive", False, False),
        (b"1.1", b"x, CLOSE ,y", True, True),
        (b"1.0", b"", False, True),
        (b"1.0", b"Keep-Alive", False, False),
    ],
)
def test_request_announces_that_no_other_follows(
    version: bytes, connection: bytes, closes: bool, is_last: bool
) -> None:
    lines = [b"GET / HTTP/" + version, b"Host: a"]
    request = http1.read_request_head(
        [*lines, b"Connection: " + connection] if connection else lines
    )
    assert (says_close(request), is_last_request(request)) == (closes, is_last)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"Content-Length: 0"],
        [b"content-length: 12"],
        [b"Content-Length: 007"],
        [b"Transfer-Encoding: chunked"],
        [b"x: 1", b"transfer-encoding: Chunked"],
    ],
)
def test_size_of_a_valid_request_is_what_mitmproxy_expects(fields: list[bytes]) -> None:
    request = http1.read_request_head([b"POST / HTTP/1.1", b"Host: a", *fields])
    try:
        expected = http1.expected_http_body_size(request)
    except ValueError:
        with pytest.raises(ValueError, match="content-length"):
            request_size(request)
    else:
        assert request_size(request) == expected


VALUES = st.lists(st.sampled_from([b"a", b":", b" ", b"\t", b"\x80", b"b c"]), max_size=8).map(
    b"".join
)


@given(st.lists(st.tuples(st.sampled_from([b"x", b"X-a", b"~"]), VALUES), max_size=5))
@example([(b"x", b" " * 100_000 + b"y" + b" " * 100_000)])
def test_valid_head_is_read_as_by_mitmproxy(fields: list[tuple[bytes, bytes]]) -> None:
    lines = [b"POST /a?b HTTP/1.1", b"Host: a", *(b"%b:%b" % field for field in fields)]
    head = b"\r\n".join(lines) + b"\r\n"
    assert is_valid_head(head)
    ours, theirs = read_request(head), http1.read_request_head(lines)
    theirs.timestamp_start = ours.timestamp_start
    assert ours.get_state() == theirs.get_state()
