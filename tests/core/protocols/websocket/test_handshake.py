"""The opening handshake against wsproto and the example of RFC 6455."""

from __future__ import annotations

import pytest
from wsproto import ConnectionType, WSConnection, events
from wsproto.extensions import PerMessageDeflate

from addons.core.headers import Headers
from addons.core.protocols.websocket.deflate import Agreement
from addons.core.protocols.websocket.handshake import (
    HandshakeError,
    accept_of,
    accepted,
    key_of,
    upgrade_fields,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
GOOD: Headers = ((b"Upgrade", b"WebSocket"), (b"Connection", b"keep-alive, Upgrade"), ACCEPT)


def test_example_of_the_rfc() -> None:
    # RFC 6455, 1.3
    assert key_of(b"the sample nonce") == KEY
    assert accept_of(KEY) == ACCEPT[1]


def test_a_server_agrees_to_it() -> None:
    lines = [b"GET /x HTTP/1.1", b"host: h", *(b"%b: %b" % each for each in upgrade_fields(KEY))]
    peer = WSConnection(ConnectionType.SERVER)
    peer.receive_data(b"\r\n".join(lines) + b"\r\n\r\n")
    (request,) = peer.events()
    assert isinstance(request, events.Request)
    answer = peer.send(events.AcceptConnection(extensions=[PerMessageDeflate()]))
    fields = [line.partition(b": ") for line in answer.split(b"\r\n")[1:-2]]
    assert accepted(tuple((name, value) for name, _, value in fields), KEY) == Agreement()


def test_plain_answer_agrees_on_nothing() -> None:
    assert accepted(GOOD, KEY) is None


@pytest.mark.parametrize(
    "headers",
    [
        GOOD[1:],
        (GOOD[0], ACCEPT),
        GOOD[:2],
        ((b"upgrade", b"h2c"), *GOOD[1:]),
        (*GOOD[:2], (b"sec-websocket-accept", b"x")),
        (*GOOD, ACCEPT),
        (*GOOD, (b"sec-websocket-protocol", b"chat")),
        (*GOOD, (b"sec-websocket-extensions", b"x-other")),
    ],
)
def test_any_other_answer_is_refused(headers: Headers) -> None:
    with pytest.raises(HandshakeError):
        accepted(headers, KEY)
