"""What is said of a message's framing is what mitmproxy says, for every message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.net.http import http1, validate
from mitmproxy.net.http.http1 import read
from mitmproxy.proxy.layers import http as http_layer

from addons.proxy.engine.mitmproxy_patches import messages

NAMES = st.sampled_from(
    [b"Content-Length", b"content-length", b"Transfer-Encoding", b"x", b"", b"a b", b"x\n", b"\xff"]
)
VALUES = st.sampled_from(
    [
        b"0",
        b"7",
        b"007",
        b"7\n",
        b"9" * 30,
        b"-1",
        b"",
        b"chunked",
        b"Chunked",
        b"gzip, chunked",
        b"identity",
        b"chunked, chunked",
        b"\xe2\x84\xaa",
    ]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=3)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0"])
USUAL_SIZE, USUAL_VALIDATION = read.expected_http_body_size, validate.validate_headers


def outcome[**P](see: Callable[P, object], *given: P.args, **named: P.kwargs) -> object:
    try:
        return see(*given, **named)
    except ValueError as error:
        return str(error)


def request_with(method: bytes, version: bytes, fields: list[tuple[bytes, bytes]]) -> http.Request:
    headers = http.Headers(fields)
    return http.Request("", 0, method, b"", b"", b"/", version, headers, None, None, 0, 0)


def response_with(status: int, version: bytes, fields: list[tuple[bytes, bytes]]) -> http.Response:
    return http.Response(version, status, b"", http.Headers(fields), None, None, 0, 0)


@given(st.sampled_from([b"GET", b"POST", b"HEAD", b"head", b"CONNECT", b"PUT"]), VERSIONS, FIELDS)
def test_request_is_judged_as_by_mitmproxy(
    method: bytes, version: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    request = request_with(method, version, fields)
    size, validation = messages.expected_http_body_size, messages.validate_headers
    assert outcome(size, request) == outcome(USUAL_SIZE, request)
    assert outcome(validation, request) == outcome(USUAL_VALIDATION, request)


@given(
    st.sampled_from([b"GET", b"POST", b"HEAD", b"head", b"CONNECT"]),
    st.sampled_from([100, 200, 201, 204, 304, 400]),
    VERSIONS,
    FIELDS,
)
def test_response_is_judged_as_by_mitmproxy(
    method: bytes, status: int, version: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    request, response = request_with(method, version, []), response_with(status, version, fields)
    size, validation = messages.expected_http_body_size, messages.validate_headers
    assert outcome(size, request, response) == outcome(USUAL_SIZE, request, response)
    assert outcome(validation, response) == outcome(USUAL_VALIDATION, response)


def test_mitmproxy_asks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (http1, "expected_http_body_size"),
        (http_layer, "expected_http_body_size"),
        (read, "expected_http_body_size"),
        (http_layer, "validate_headers"),
        (validate, "validate_headers"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    messages.shorten_framing()
    assert http1.expected_http_body_size is messages.expected_http_body_size
    assert http_layer.__dict__["validate_headers"] is messages.validate_headers


STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 404 Not  Found ",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1  200  OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 two OK",
        b"HTTP/11 200 OK",
        b"HTTP/1.1 200 O\x00\xe9",
        b"",
    ]
)
FIELD_LINES = st.lists(
    st.sampled_from(
        [b"A: b", b"a:\tb c ", b"a:", b"a: b:c", b"x: \xff", b"a : b", b" folded", b":b", b"none", b"a: \x0bb", b"a: b\rc"]
    ),
    max_size=3,
)  # fmt: skip
LINE_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])


def fields_of(message: http.Message) -> dict[str, object]:
    fields = {**vars(message.data), "headers": message.headers.fields}
    return {name: value for name, value in fields.items() if name != "timestamp_start"}


@given(STATUS_LINES, FIELD_LINES, LINE_ENDS, LINE_ENDS)
def test_response_head_is_read_as_by_mitmproxy(
    line: bytes, lines: list[bytes], end: bytes, last: bytes
) -> None:
    head = b"".join(one + end for one in (line, *lines)) + last

    def usual(head: bytes) -> dict[str, object]:
        found = [one.removesuffix(b"\r") for one in head.split(b"\n")]
        return fields_of(http1.read_response_head(found[:-2]))

    def ours(head: bytes) -> dict[str, object]:
        return fields_of(messages.read_response(head))

    assert outcome(ours, head) == outcome(usual, head)


@pytest.mark.parametrize(
    "line", [b"POST /a?b HTTP/1.1", b"GET * HTTP/1.1", b"GET http://a/b HTTP/1.0"]
)
def test_request_head_is_read_as_by_mitmproxy(line: bytes) -> None:
    lines = [line, b"Host: a", b"x:  \xff ", b"Content-Length: 7"]
    usual = http1.read_request_head(lines)
    request = messages.read_request(b"".join(one + b"\r\n" for one in lines))
    assert fields_of(request) == fields_of(usual)
    assert messages.request_size(request) == 7
