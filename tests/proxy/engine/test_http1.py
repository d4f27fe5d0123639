"""An answer on its way from the upstream to the client."""

import pytest
from h11._readers import ChunkedReader
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.test import tflow

from addons.core.limits import Limits
from addons.proxy.engine.http1 import ListenerHttp1, UpstreamHttp1, receive
from addons.proxy.engine.mitmproxy_patches.http1_connections import WholeRequest
from tests.boundary.scripts import asked
from tests.support.client import client
from tests.support.engine import BEARER, engine, to_ports
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until

EVENTS = b'event: a\ndata: {"n":1}\n\n', b'data: {"type":"response.completed"}\n\n'


async def stream(exchange: Exchange) -> None:
    await exchange.sse_head(b"x-request-id: abc", b"x-codex-primary-used-percent: 12")
    for event in EVENTS:
        await exchange.chunk(event)
    await exchange.end()


async def test_stream_passes_byte_for_byte_with_the_upstreams_headers() -> None:
    async with upstream(stream) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        await c.post("/v1/responses", b'{"model":"m"}')
        response = await c.response()
    assert response.status == 200
    assert response.complete
    assert response.body == b"".join(EVENTS)
    assert response.header(b"x-request-id") == b"abc"
    assert response.header(b"transfer-encoding") == b"chunked"
    assert up.requests[0].header(b"authorization") == b"Bearer " + BEARER
    assert up.requests[0].header(b"host") == b"127.0.0.1:%d" % up.port


@pytest.mark.parametrize(
    ("wanted", "slug", "keeps"), [(False, "m", False), (True, "m", True), (True, "", False)]
)
async def test_streamed_body_of_a_turn_is_kept_for_the_views_when_the_user_wants_it(
    wanted: bool, slug: str, keeps: bool
) -> None:
    async with (
        upstream(stream) as up,
        engine(asked(slug, to_ports(up.port)), store_streamed_bodies=wanted) as proxy,
        client(proxy.port) as c,
    ):
        await c.post("/v1/responses", b'{"model":"m"}')
        await c.response()
        await until(lambda: not proxy.flow.live)
        assert proxy.flow.response
        assert proxy.flow.response.raw_content == (b"".join(EVENTS) if keeps else None)


async def test_two_hundred_turns_of_one_client_use_one_upstream_connection() -> None:
    async with upstream(stream) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(200):
            await c.post("/v1/responses", b'{"model":"m"}')
            assert (await c.response()).complete
    assert len(up.requests) == 200
    assert up.connections == 1


async def test_its_parts_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    short: list[events.Event] = []
    usual = UpstreamHttp1.handle_event

    def handle_event(self: UpstreamHttp1, event: events.Event) -> CommandGenerator[None]:
        short.append(event)
        return usual(self, event)

    monkeypatch.setattr(UpstreamHttp1, "handle_event", handle_event)
    async with upstream(stream) as up, engine(to_ports(up.port)) as proxy, client(proxy.port) as c:
        for _ in range(2):
            await c.post("/v1/responses", b'{"model":"m"}')
            assert (await c.response()).body == b"".join(EVENTS)
    assert short


@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=9), st.sampled_from([b"", b";x"])), max_size=6
    ),
    st.lists(st.integers(0, 90), max_size=9),
)
def test_chunks_in_any_reads_are_relayed(
    chunks: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    parser = UpstreamHttp1(context)
    parser.begin(1000, lambda _, data: (commands.SendData(context.client, data),))
    parser.state, parser.stream_id, parser.body_reader = parser.read_body, 2, ChunkedReader()
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(part), more, part) for part, more in chunks)
    relayed, at, waiting = b"", 0, b""
    for end in (*sorted(min(cut, len(data)) for cut in cuts), len(data)):
        read, at = data[at:end], end
        writes, is_whole = (not waiting and parser.relay(read)) or ((), False)
        relayed += b"".join(one.data for one in writes)
        if not is_whole:
            waiting += read
            if end % 2 and end < len(data):
                # the event has the bytes of the next read as well
                continue
            found = list(parser.handle_event(events.DataReceived(context.server, waiting)))
            assert all(isinstance(one, commands.SendData) for one in found)
            relayed += b"".join(one.data for one in found if isinstance(one, commands.SendData))
            waiting = b""
    assert relayed == b"".join(part for part, _ in chunks)


def test_end_of_a_connection_comes_behind_what_was_relayed() -> None:
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    parser = UpstreamHttp1(context)
    parser.begin(1000, lambda _, data: (commands.SendData(context.client, data),))
    parser.state, parser.stream_id, parser.body_reader = parser.read_body, 2, ChunkedReader()
    relayed = parser.relay(b"5\r\nwhole\r\n5;x\r\nha")
    assert relayed
    # What was taken is written at once: another event may end the turn before that of the read.
    assert [one.data for one in relayed[0]] == [b"whole"]
    assert not relayed[1]
    found = list(parser.handle_event(events.ConnectionClosed(context.server)))
    assert any(
        isinstance(one, ReceiveHttp) and isinstance(one.event, ResponseProtocolError)
        for one in found
    )


@pytest.mark.parametrize(
    ("reads", "kinds"),
    [
        ([b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"], [WholeRequest]),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"], [WholeRequest]),
        ([b"POST / HTTP/1.1\r\nhost: x\r\ncontent-le", b"ngth: 2\r\n\r\n{}"], [WholeRequest]),
        (
            [b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{", b"}"],
            [RequestHeaders, RequestData, RequestData, RequestEndOfMessage],
        ),
        (
            [
                b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            ],
            [RequestHeaders, RequestData, RequestEndOfMessage],
        ),
    ],
)
def test_request_that_came_with_its_head_is_one_event(
    reads: list[bytes], kinds: list[type[events.Event]]
) -> None:
    context = Context(tflow.tclient_conn(), Options())
    listener = ListenerHttp1(context, Limits(), {})
    list(listener.handle_event(events.Start()))
    found = [
        command.event
        for read in reads
        for command in listener.handle_event(events.DataReceived(context.client, read))
        if isinstance(command, ReceiveHttp)
    ]
    assert [type(event) for event in found] == kinds
    assert [event.end_stream for event in found if isinstance(event, RequestHeaders)] == [
        reads[0].startswith(b"GET")
    ]
    bodies = [event.body for event in found if isinstance(event, WholeRequest)]
    assert bodies in ([], [b"{}"], [b""])


@pytest.mark.parametrize("sent", [(), (b"out",)])
def test_end_in_the_same_read_leaves_no_event_without_data(sent: tuple[bytes, ...]) -> None:
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    parser = UpstreamHttp1(context)
    relayed = [commands.SendData(context.client, data) for data in sent]
    parser.begin(1000, lambda attempt_id, _: (*relayed, receive(attempt_id, b"")))
    parser.stream_id, parser.request = 2, tflow.tflow().request
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    ends = b"4\r\nlast\r\n0\r\n\r\n"
    for reads, kinds in (
        ([head + ends], [ResponseHeaders, ResponseEndOfMessage]),
        ([head + ends[:9], ends[9:]], [ResponseHeaders, ResponseData, ResponseEndOfMessage]),
    ):
        parser.stream_id, parser.request, parser.request_done = 2, tflow.tflow().request, True
        found = [
            command
            for read in reads
            for command in parser.handle_event(events.DataReceived(context.server, read))
        ]
        told = [type(one.event) for one in found if isinstance(one, ReceiveHttp)]
        assert told == kinds
        assert [one for one in found if isinstance(one, commands.SendData)] == relayed
