"""Messages are framed and connections kept as mitmproxy does it; a `close` in whatever case ends a connection."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from mitmproxy.net.http import http1
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.test import tflow

from addons.proxy.engine.mitmproxy_patches.http1_connections import (
    KeptClient,
    KeptServer,
    WholeRequest,
)

REQUESTS = [
    [b"POST / HTTP/1.1", b"host: a", b"content-length: 2"],
    [b"HEAD / HTTP/1.1", b"host: a"],
    [b"POST / HTTP/1.1", b"host: a", b"content-length: 2", b"connection: keep-alive"],
    [b"POST / HTTP/1.1", b"host: a", b"content-length: 2", b"connection: close"],
    [b"POST / HTTP/1.1", b"host: a", b"transfer-encoding: chunked"],
    [b"POST / HTTP/1.0", b"host: a", b"content-length: 2"],
    [b"POST / HTTP/1.0", b"host: a", b"content-length: 2", b"connection: keep-alive"],
]
RESPONSES = [
    [b"HTTP/1.1 200 OK", b"transfer-encoding: chunked"],
    [b"HTTP/1.1 200 OK", b"Transfer-Encoding: Chunked", b"connection: keep-alive"],
    [b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", b"connection: close"],
    [b"HTTP/1.1 200 OK", b"content-length: 3"],
    [b"HTTP/1.1 200 OK", b"content-length: 3", b"connection: close"],
    [b"HTTP/1.1 200 OK"],
    [b"HTTP/1.1 204 No Content"],
    [b"HTTP/1.0 200 OK", b"content-length: 3"],
    [b"HTTP/1.0 200 OK", b"content-length: 3", b"connection: keep-alive"],
]


def raw(lines: list[bytes], body: bytes) -> bytes:
    """A message as it comes over the wire."""
    if lines[0].startswith(b"HEAD") or b"204" in lines[0]:
        body = b""
    is_chunked = any(b"chunked" in line.lower() for line in lines)
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    return b"\r\n".join(lines) + b"\r\n\r\n" + framed


def told(found: list[commands.Command]) -> tuple[bytes, list[str]]:
    """What is written, and what else is asked for."""
    writes = [one.data for one in found if isinstance(one, commands.SendData)]
    others = [
        f"{type(one.event).__name__} {getattr(one.event, 'data', b'')!r}"
        if isinstance(one, ReceiveHttp)
        else type(one).__name__
        for one in found
        if not isinstance(one, commands.SendData)
    ]
    return b"".join(writes), others


def feed(connection: layer.Layer, *given: events.Event) -> list[commands.Command]:
    return [
        command for event in (events.Start(), *given) for command in connection.handle_event(event)
    ]


def kept(context: Context) -> KeptServer:
    return KeptServer(context, {})


def served(
    make: Callable[[Context], Http1Server], request: list[bytes], response: list[bytes]
) -> object:
    """What a client's connection makes of a request, its answer and another request."""
    context = Context(tflow.tclient_conn(), Options())
    connection = make(context)
    head = http1.read_response_head(response)
    answer: list[HttpEvent] = [
        ResponseHeaders(1, head),
        ResponseData(1, b"abc"),
        ResponseEndOfMessage(1),
    ]
    came = events.DataReceived(context.client, raw(request, b"ab"))
    return told(feed(connection, came, *answer, events.DataReceived(context.client, b"GET"))), (
        connection.stream_id
    )


@pytest.mark.parametrize(("request_", "response"), product(REQUESTS, RESPONSES))
def test_client_is_served_as_by_mitmproxy(request_: list[bytes], response: list[bytes]) -> None:
    assert served(kept, request_, response) == served(Http1Server, request_, response)


def asked(kind: type[Http1Client], request: list[bytes], response: list[bytes]) -> object:
    """What an upstream's connection makes of a request and its answer."""
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    connection = kind(context)
    sent: list[HttpEvent] = [
        RequestHeaders(2, http1.read_request_head(request), end_stream=False),
        RequestData(2, b"ab"),
        RequestEndOfMessage(2),
    ]
    body = b"" if request[0].startswith(b"HEAD") else b"abc"
    answer = raw(response, body)
    if not body:
        answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    found = feed(connection, *sent, events.DataReceived(context.server, answer))
    return told(found), connection.stream_id, connection.request is None


@pytest.mark.parametrize(("request_", "response"), product(REQUESTS, RESPONSES))
def test_upstream_is_asked_as_by_mitmproxy(request_: list[bytes], response: list[bytes]) -> None:
    assert asked(KeptClient, request_, response) == asked(Http1Client, request_, response)


@pytest.mark.parametrize("lines", REQUESTS)
@pytest.mark.parametrize("body", [b"", b"ab", b"x" * 100_000])
def test_whole_request_is_sent_like_its_parts(lines: list[bytes], body: bytes) -> None:
    found = []
    for is_whole in (True, False):
        context = Context(tflow.tclient_conn(), Options())
        context.server = tflow.tserver_conn()
        connection = KeptClient(context)
        head = http1.read_request_head(lines)
        parts: list[HttpEvent] = [RequestHeaders(2, head, end_stream=not body)]
        parts += [RequestData(2, body)] if body else []
        parts.append(RequestEndOfMessage(2))
        whole = WholeRequest(2, head, end_stream=not body, body=body)
        sent = told(feed(connection, *([whole] if is_whole else parts)))
        found.append((sent, connection.request_done, connection.stream_id))
    assert found[0] == found[1]


@pytest.mark.parametrize("option", [b"Close", b"x, CLOSE"])
def test_close_ends_a_connection_in_whatever_case(option: bytes) -> None:
    line = b"connection: " + option
    request, response = [*REQUESTS[0], line], [*RESPONSES[0], line]
    assert "CloseConnection" in str(served(kept, request, RESPONSES[0]))
    assert "CloseConnection" in str(asked(KeptClient, REQUESTS[0], response))


class TakingStream:
    """A stream that takes parts of its body while `takes`."""

    def __init__(self) -> None:
        self.takes = True
        self.taken: list[bytes] = []

    def take_part(self, data: bytes) -> bool:
        if self.takes:
            self.taken.append(data)
        return self.takes


def begun(body: list[bytes], length: int = 10) -> tuple[KeptServer, TakingStream]:
    """A connection on which the head of a request and the start of its body have come."""
    stream, streams = TakingStream(), dict[int, Any]()
    connection = KeptServer(context := Context(tflow.tclient_conn(), Options()), streams)
    request = [b"POST / HTTP/1.1", b"host: a", *(body or [b"content-length: %d" % length])]
    feed(connection, events.DataReceived(context.client, raw(request, b"")))
    streams[1] = stream
    return connection, stream


def test_parts_of_a_long_body_are_taken_where_they_go_and_the_last_one_is_an_event() -> None:
    connection, stream = begun([])
    assert connection.relay(b"abcd") == ((), True)
    came = events.DataReceived(connection.conn, b"ef")
    assert told(list(connection.handle_event(came)))[1] == ["RequestData b'ef'"]
    assert connection.relay(b"ghi") == ((), True)
    # the last part, and what may follow it
    assert connection.relay(b"j") is None
    assert connection.relay(b"jPOST") is None
    assert stream.taken == [b"abcd", b"ghi"]
    ended = list(connection.handle_event(events.DataReceived(connection.conn, b"j")))
    assert told(ended)[1] == ["RequestData b'j'", "RequestEndOfMessage b''"]
    assert connection.relay(b"x") is None


def test_part_that_its_stream_does_not_take_stays_a_part_of_the_body() -> None:
    connection, stream = begun([])
    stream.takes = False
    assert connection.relay(b"abc") is None
    came = events.DataReceived(connection.conn, b"abc")
    assert told(list(connection.handle_event(came)))[1] == ["RequestData b'abc'"]
    stream.takes = True
    assert connection.relay(b"defghi") == ((), True)
    assert connection.relay(b"j") is None


def test_no_part_of_chunks_or_of_another_stream_is_taken() -> None:
    chunked, stream = begun([b"transfer-encoding: chunked"])
    assert chunked.relay(b"3\r\nabc\r\n") is None
    assert stream.taken == []
    connection, _ = begun([])
    connection.stream_id = 3
    assert connection.relay(b"abc") is None
