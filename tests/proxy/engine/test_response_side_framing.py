"""The client's framing, and where bytes of our own may stand."""

import pytest
from mitmproxy import http

from addons.core.headers import Headers
from addons.core.turn import Head, Reply
from addons.proxy.engine.local_answer import http_response
from addons.proxy.engine.response_side import HEARTBEAT, ClientFraming

SSE = (b"Content-Type", b"text/event-stream; charset=utf-8")
JSON = (b"content-type", b"application/json")
LENGTH = (b"Content-Length", b"9")


def request(version: str = "HTTP/1.1", method: str = "POST") -> http.Request:
    made = http.Request.make(method, "http://127.0.0.1/")
    made.http_version = version
    return made


@pytest.mark.parametrize(
    ("status", "headers", "version", "framing"),
    [
        (200, (SSE,), "HTTP/1.1", {"transfer-encoding": "chunked"}),
        (200, (SSE,), "HTTP/1.0", {"connection": "close"}),
        (200, (SSE,), "HTTP/2.0", {}),
        (200, (SSE, LENGTH), "HTTP/1.1", {"transfer-encoding": "chunked"}),
        (200, (JSON, LENGTH), "HTTP/1.1", {"content-length": "9"}),
        (200, (JSON,), "HTTP/1.1", {"transfer-encoding": "chunked"}),
        (429, (SSE, LENGTH), "HTTP/1.1", {"content-length": "9"}),
        (204, (), "HTTP/1.1", {}),
        (304, (LENGTH,), "HTTP/1.1", {"content-length": "9"}),
        (200, (SSE, (b"Connection", b"close"), (b"Upgrade", b"x")), "HTTP/2.0", {}),
        (200, (JSON, (b"Transfer-Encoding", b"gzip")), "HTTP/1.0", {"connection": "close"}),
    ],
)
def test_framing_is_the_engines(
    status: int, headers: Headers, version: str, framing: dict[str, str]
) -> None:
    response = ClientFraming().open(Head(status, headers), request(version))
    names = "transfer-encoding", "connection", "content-length", "upgrade"
    found = {name: response.headers[name] for name in names if name in response.headers}
    assert found == framing
    assert response.http_version == "HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "headers", "sent", "takes"),
    [
        (200, (SSE,), b"", True),
        (200, (SSE,), b"data: 1\n\n", True),
        (200, (SSE,), b"data: 1\r\n\r\n", True),
        (200, (SSE,), b"data: 1\n", False),
        (200, (SSE, (b"content-encoding", b"identity")), b"", True),
        (200, (SSE, (b"content-encoding", b"gzip")), b"", False),
        (200, (JSON,), b"", False),
        (200, ((b"content-type", b"Text/Event-Stream ;charset=x"),), b"", True),
        (200, ((b"content-type", b"text/event-streams"),), b"", False),
        (200, (), b"", False),
        (201, (SSE,), b"", False),
    ],
)
def test_heartbeat_is_accepted_between_the_events_of_a_plain_stream_only(
    status: int, headers: Headers, sent: bytes, takes: bool
) -> None:
    framing = ClientFraming()
    assert not framing.accepts_heartbeat
    framing.open(Head(status, headers), request())
    if sent:
        framing.border.feed(sent)
    assert framing.accepts_heartbeat is takes


@pytest.mark.parametrize(
    ("headers", "method", "takes"),
    [
        ((SSE,), "POST", True),
        ((JSON,), "POST", True),
        ((JSON, LENGTH), "POST", False),
        ((JSON, (b"content-encoding", b"br")), "POST", False),
        ((JSON,), "HEAD", False),
    ],
)
def test_closing_bytes_never_break_a_length_or_an_encoding(
    headers: Headers, method: str, takes: bool
) -> None:
    framing = ClientFraming()
    framing.open(Head(200, headers), request(method=method))
    assert framing.takes_closing is takes


def test_whole_answer_has_one_length_and_no_framing_of_others() -> None:
    others = (LENGTH, (b"Transfer-Encoding", b"chunked"), (b"Connection", b"keep-alive"), JSON)
    response = http_response(Reply(Head(400, others), b"four"), close=True)
    assert response.headers.fields == (JSON, (b"content-length", b"4"), (b"connection", b"close"))


def test_heartbeat_is_one_whole_data_event() -> None:
    assert HEARTBEAT.endswith(b"\n\n")
    assert HEARTBEAT.count(b"\n\n") == 1
    assert b"\ndata: {" in HEARTBEAT


@pytest.mark.parametrize(
    ("reads", "completes"),
    [
        ([b"data: 1\n\n"], [True]),
        ([b"data: 1\r\n\r\n"], [True]),
        ([b"event: a\ndata: 1\n\n"], [True]),
        ([b": ping\n\n"], [False]),
        ([b": data: ping\n\n"], [False]),
        ([b"event: a\nid: 1\nretry: 9\n\n"], [False]),
        ([b"data: 1\n", b"\n", b"\n"], [False, True, False]),
        ([b"event: a\n", b"data: 1\n\n", b": ping\n\n"], [False, True, False]),
        ([b"data: 1", b"\n\n: ping\n\n", b": ping\n\n"], [False, True, False]),
        ([b"data: 1\n\ndata: 2", b"\n\n", b": ping\n\n"], [True, True, False]),
        ([b": ping\n\ndata: 1", b": ping", b"\n\n"], [False, False, True]),
        ([b": ", b"data: 1\n\n"], [False, False]),
        ([b"data: 1\n\n: pi", b"ng\n\n"], [True, False]),
    ],
)
def test_only_a_data_event_counts_for_the_clients_timer(
    reads: list[bytes], completes: list[bool]
) -> None:
    framing = ClientFraming()
    framing.open(Head(200, (SSE,)), request())
    assert [framing.completes_data_event(read) for read in reads] == completes


def test_head_answer_keeps_the_length_of_the_get_and_accepts_no_heartbeat() -> None:
    framing = ClientFraming()
    response = framing.open(Head(200, (SSE, LENGTH)), request(method="HEAD"))
    assert response.headers["content-length"] == "9"
    assert "transfer-encoding" not in response.headers
    assert not framing.is_sse
    assert not framing.accepts_heartbeat
