"""Messages are framed and connections kept as mitmproxy does it; a `close` in whatever case ends a connection."""

from __future__ import annotations

from itertools import product

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

from addons.proxy.engine.mitmproxy_patches.http1_connections import KeptClient, KeptServer

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


def served(kind: type[Http1Server], request: list[bytes], response: list[bytes]) -> object:
    """What a client's connection makes of a request, its answer and another request."""
    context = Context(tflow.tclient_conn(), Options())
    connection = kind(context)
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
    assert served(KeptServer, request_, response) == served(Http1Server, request_, response)


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


@pytest.mark.parametrize("option", [b"Close", b"x, CLOSE"])
def test_close_ends_a_connection_in_whatever_case(option: bytes) -> None:
    line = b"connection: " + option
    request, response = [*REQUESTS[0], line], [*RESPONSES[0], line]
    assert "CloseConnection" in str(served(KeptServer, request, RESPONSES[0]))
    assert "CloseConnection" in str(asked(KeptClient, REQUESTS[0], response))
