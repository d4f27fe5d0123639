"""The drill's upstream: every turn gets the fault, everything else 404."""

from __future__ import annotations

import socket

import pytest

from shim_cli.drill.drills import End
from shim_cli.drill.server import DrillUpstream, serving

TURN = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
LIST = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"


def read(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := client.recv(count - len(data))):
        data += more
    return data


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def test_turns_on_one_connection_get_the_fault_and_lists_do_not() -> None:
    upstream = DrillUpstream([REFUSED])
    with serving(upstream) as port, connected(port) as client:
        for request, status in ((TURN, b"429"), (LIST, b"404"), (TURN, b"429")):
            client.sendall(request)
            answer = read(client, len(REFUSED) if request is TURN else 45)
            assert answer.startswith(b"HTTP/1.1 " + status)
            assert answer.endswith(b"\r\n\r\n")
    assert upstream.turns == 2


def test_connection_is_closed_reset_or_held_as_the_drill_says() -> None:
    with serving(DrillUpstream([b"begin", End.CLOSE])) as port, connected(port) as client:
        client.sendall(TURN)
        assert read(client, 100) == b"begin"
    with serving(DrillUpstream([End.RESET])) as port, connected(port) as client:
        client.sendall(TURN)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with serving(DrillUpstream([b"begin", End.HOLD])) as port, connected(port) as client:
        client.sendall(TURN)
        assert read(client, 5) == b"begin"
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_client_that_leaves_ends_the_connection_without_a_word(
    capfd: pytest.CaptureFixture[str],
) -> None:
    upstream = DrillUpstream([b"x" * 1_000_000] * 20)
    with serving(upstream) as port:
        connected(port).close()
        with connected(port) as client:
            client.sendall(TURN[:30])
        with connected(port) as client:
            client.sendall(TURN)
            client.recv(1)
    assert capfd.readouterr() == ("", "")
