"""The parser of a WebSocket to an upstream, without sockets. Whole turns are in tests/boundary/test_socket_turns.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.test import tflow
from wsproto.utilities import generate_accept_token

from addons.core.limits import Limits
from addons.core.secrets import Origin
from addons.core.turn import UpstreamRequest
from addons.proxy.engine.http1 import install_upstream_parser, receive
from addons.proxy.engine.upstream.notices import NO_UPGRADE, NOTHING_RECEIVED, ConnectionIdle
from addons.proxy.engine.websocket.upstream_socket import (
    SocketTurn,
    UpstreamSocket,
    install_socket,
)

BEARER = b"Bearer b4ckend-bearer"
BODY = b'{"model":"m","input":[]}'
CREATED = b'{"type":"response.created","response":{"id":"r"}}'
DONE = b'{"type":"response.completed","response":{"id":"r"}}'


def text_frame(text: bytes) -> bytes:
    assert len(text) <= 125
    return bytes((0x81, len(text))) + text


class Rig:
    """One socket, what it wrote, and what it told its turn."""

    def __init__(self) -> None:
        context = Context(tflow.tclient_conn(), Options())
        context.server = Server(address=("127.0.0.1", 1))
        around = layer.NextLayer(context)
        install: list[layer.Layer] = [around, Http1Client(context)]
        context.layers[:] = install
        install_upstream_parser(context.layers, Limits().head_bytes, self._relay)
        install_socket(context.layers, Limits(), self._relay)
        top = context.layers[-1]
        assert isinstance(top, UpstreamSocket)
        assert len(context.layers) == 2
        self.socket = top
        self.written = b""
        self.told: list[object] = []
        self.closed = False

    def _relay(self, stream_id: int, data: bytes) -> Sequence[commands.Command]:
        return (receive(stream_id, data),)

    def run(self, found: Iterable[commands.Command]) -> None:
        for command in found:
            if isinstance(command, commands.SendData):
                self.written += command.data
            elif isinstance(command, ReceiveHttp):
                self.told.append(command.event)
            elif isinstance(command, commands.CloseConnection):
                self.closed = True
            elif isinstance(command, ConnectionIdle | commands.RequestWakeup):
                self.told.append(command)

    def begin(self, stream_id: int = 2) -> None:
        fields = ((b"host", b"h"), (b"authorization", BEARER))
        head = http.Request.make("GET", "http://h/r", b"", fields)
        origin = Origin("http", "h", 80)
        turn = UpstreamRequest(origin, "POST", "/r", (), BODY, frame=b"")
        self.run(self.socket.handle_event(SocketTurn(stream_id, head, True, turn=turn)))

    def receive(self, data: bytes) -> None:
        self.run(self.socket.handle_event(events.DataReceived(self.socket.conn, data)))

    def switch(self, ahead: bytes = b"") -> None:
        key = next(
            line.partition(b": ")[2]
            for line in self.written.split(b"\r\n")
            if line.startswith(b"sec-websocket-key")
        )
        head = (
            b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: "
        )
        self.receive(head + generate_accept_token(key) + b"\r\n\r\n" + ahead)

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.told]


def test_only_the_upgrade_has_the_login_and_nothing_keeps_it() -> None:
    rig = Rig()
    rig.begin()
    assert rig.written.startswith(b"GET /r HTTP/1.1\r\n")
    assert BEARER in rig.written
    before = len(rig.written)
    rig.switch()
    assert len(rig.written) > before
    assert BEARER not in rig.written[before:]
    assert rig.socket._http1.request is None
    rig.receive(text_frame(DONE))
    rig.begin(4)
    assert BEARER not in rig.written[before:]


def test_each_frame_has_a_mask_of_its_own() -> None:
    rig, masks = Rig(), []
    rig.begin()
    for stream_id in (4, 6):
        at = len(rig.written)
        rig.switch() if stream_id == 4 else rig.begin(stream_id)
        masks.append(rig.written[at + 2 : at + 6])
        rig.receive(text_frame(DONE.replace(b'"r"', b'"%d"' % stream_id)))
    assert masks[0] != masks[1]


def test_answer_that_comes_with_the_upgrade_is_read() -> None:
    rig = Rig()
    rig.begin()
    rig.switch(text_frame(CREATED) + text_frame(DONE))
    assert rig.kinds() == [
        "RequestWakeup",
        "ResponseHeaders",
        "ResponseData",
        "ResponseEndOfMessage",
        "ConnectionIdle",
    ]
    assert rig.socket.is_idle


def test_deadline_counts_until_the_upgrade_is_answered() -> None:
    rig = Rig()
    rig.begin()
    (deadline,) = rig.told
    assert isinstance(deadline, commands.RequestWakeup)
    assert deadline.delay == Limits().connect_seconds
    late = Rig()
    late.begin()
    wakeup = late.told.pop()
    assert isinstance(wakeup, commands.RequestWakeup)
    late.run(late.socket.handle_event(events.Wakeup(wakeup)))
    (error,) = late.told
    assert isinstance(error, ResponseProtocolError)
    assert (error.message, late.closed) == (NO_UPGRADE, True)
    rig.switch()
    rig.run(rig.socket.handle_event(events.Wakeup(deadline)))
    assert not rig.closed


def test_idle_socket_that_is_told_something_serves_no_other_turn() -> None:
    rig = Rig()
    rig.begin()
    rig.switch(text_frame(DONE))
    rig.receive(text_frame(b'{"type":"codex.rate_limits"}'))
    assert rig.socket.is_idle
    rig.receive(text_frame(CREATED))
    assert (rig.socket.is_idle, rig.closed) == (False, True)


def test_turn_that_begins_while_the_one_before_ends_gets_its_own_answer() -> None:
    rig = Rig()
    rig.begin()
    rig.switch(text_frame(CREATED))
    found = rig.socket.handle_event(events.DataReceived(rig.socket.conn, text_frame(DONE)))
    for command in found:
        rig.run((command,))
        if isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseEndOfMessage):
            rig.begin(4)
    assert not any(isinstance(each, ConnectionIdle) for each in rig.told)
    # a repeated end of the first turn is none of the second
    rig.receive(text_frame(DONE))
    assert rig.socket.stream_id == 4
    rig.receive(text_frame(DONE.replace(b'"r"', b'"s"')))
    heads = [each.stream_id for each in rig.told if isinstance(each, ResponseHeaders)]
    ends = [each.stream_id for each in rig.told if isinstance(each, ResponseEndOfMessage)]
    assert (heads, ends) == ([2, 4], [2, 4])


def test_end_before_an_event_says_that_nothing_came() -> None:
    rig = Rig()
    rig.begin()
    rig.switch()
    rig.run(rig.socket.handle_event(events.ConnectionClosed(rig.socket.conn)))
    error = rig.told[-1]
    assert isinstance(error, ResponseProtocolError)
    assert error.message == NOTHING_RECEIVED
