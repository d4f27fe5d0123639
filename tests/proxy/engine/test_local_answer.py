"""A connection that was not accepted gets one answer, whatever it sends."""

from __future__ import annotations

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context

from addons.proxy.engine.local_answer import RefusingLayer
from tests.support.driver import Driver
from tests.support.engine import to_ports


def refusing() -> RefusingLayer:
    driver = Driver(to_ports())
    return RefusingLayer(Context(driver.client, driver.layer.context.options))


def test_first_bytes_are_answered_once_and_the_connection_is_closed() -> None:
    layer = refusing()
    client = layer.context.client
    assert list(layer.handle_event(events.Start())) == []
    answer, close = layer.handle_event(events.DataReceived(client, b"GET / HTTP/1.1\r\nsecret"))
    assert isinstance(answer, commands.SendData)
    assert answer.data.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in answer.data
    assert b"secret" not in answer.data
    assert isinstance(close, commands.CloseConnection)
    assert list(layer.handle_event(events.DataReceived(client, b"more"))) == []


def test_client_that_leaves_gets_no_answer() -> None:
    layer = refusing()
    layer.context.client.state = ConnectionState.CLOSED
    (close,) = layer.handle_event(events.ConnectionClosed(layer.context.client))
    assert isinstance(close, commands.CloseConnection)
