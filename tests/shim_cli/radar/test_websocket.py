"""The recorder's WebSocket: a warm-up without content, and an answer to each message."""

from __future__ import annotations

import socket

import orjson
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from addons.core.contract.answers import answer, message
from shim_cli.radar.recorder import Recorder, serving


class Client:
    """A WebSocket client on a plain socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._connection = WSConnection(ConnectionType.CLIENT)
        self.send(
            Request(host="127.0.0.1", target="/v1/responses", extra_headers=[(b"originator", b"x")])
        )
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def next(self) -> Event:
        while not self.events:
            self._connection.receive_data(self._socket.recv(65_536) or None)
            self.events += self._connection.events()
        return self.events.pop(0)

    def answer(self) -> list[str]:
        names: list[str] = []
        while not names or names[-1] != "response.completed":
            event = self.next()
            assert isinstance(event, TextMessage)
            names.append(orjson.loads(event.data)["type"])
        return names

    def close(self) -> None:
        self._socket.close()


def test_messages_are_answered_and_recorded() -> None:
    recorder = Recorder([answer(message("hello"))], b"")
    with serving(recorder) as port:
        client = Client(port)
        assert isinstance(client.next(), AcceptConnection)
        client.send(TextMessage('{"type": "response.create", "generate": false}'))
        assert client.answer() == ["response.created", "response.completed"]
        client.send(Ping(b"x"))
        assert isinstance(client.next(), Pong)
        # one message in two frames
        client.send(TextMessage('{"type": "response.', message_finished=False))
        client.send(TextMessage('create", "input": []}'))
        assert client.answer() == [
            "response.created",
            "response.output_item.added",
            "response.output_item.done",
            "response.completed",
        ]
        client.send(CloseConnection(1000))
        assert isinstance(client.next(), CloseConnection)
        client.close()
    assert [one.endpoint for one in recorder.requests] == [
        "GET /responses",
        "WS /responses",
        "WS /responses",
    ]
    assert recorder.requests[0].headers
    assert recorder.requests[2].body == b'{"type": "response.create", "input": []}'


def test_client_that_leaves_or_sends_no_websocket_ends_the_connection() -> None:
    recorder = Recorder([answer()], b"")
    with serving(recorder) as port:
        client = Client(port)
        assert isinstance(client.next(), AcceptConnection)
        client.send(BytesMessage(b"binary"))
        client.close()
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        plain.sendall(b"GET /v1/responses HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n")
        assert plain.recv(100) == b""
        plain.close()
