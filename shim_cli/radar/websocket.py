"""The WebSocket of the recorder: one connection, one answer to each message.

Never does: offer compression. Invariant: returns when the client has gone, or after the socket's time limit.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress

import orjson
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import ProtocolError

from addons.core.contract.answers import Answer

_READ_BYTES = 65_536


def serve_websocket(
    client: socket.socket,
    headers: Iterable[tuple[str, str]],
    path: str,
    answer: Callable[[str], Answer],
) -> None:
    """Accept the upgrade whose head was read, and answer every message. Blocks."""
    connection = WSConnection(ConnectionType.SERVER)
    fields = [(name.encode(), value.encode()) for name, value in headers]
    with suppress(OSError, ProtocolError):
        connection.initiate_upgrade_connection(fields, path)
        _serve(client, connection, answer)


def _serve(
    client: socket.socket, connection: WSConnection, answer: Callable[[str], Answer]
) -> None:
    text = ""
    while True:
        for event in connection.events():
            match event:
                case Request():
                    client.sendall(connection.send(AcceptConnection()))
                case TextMessage(data=part, message_finished=is_whole):
                    text += part
                    if is_whole:
                        _send(client, connection, answer(text))
                        text = ""
                case Ping():
                    client.sendall(connection.send(event.response()))
                case CloseConnection():
                    client.sendall(connection.send(event.response()))
                    return
        read = client.recv(_READ_BYTES)
        if not read:
            return
        connection.receive_data(read)


def _send(client: socket.socket, connection: WSConnection, events: Answer) -> None:
    for event in events:
        client.sendall(connection.send(TextMessage(orjson.dumps(event).decode())))
