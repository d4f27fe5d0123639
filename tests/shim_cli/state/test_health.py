from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from shim_cli.state.health import Health, accepts_token, is_listening, probe
from tests.shim_cli.health_server import HEALTHY, answering, answering_with_token
from tests.support.ports import free_port

Server = Callable[[int, bytes], int]


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield lambda status, body: stack.enter_context(answering(status, body))


@pytest.fixture
def closed_port() -> int:
    return free_port()


def test_closed_port_is_stopped(closed_port: int) -> None:
    assert probe(closed_port) == Health(f"http://127.0.0.1:{closed_port}", "stopped")


def test_running_shim_has_its_report(server: Server) -> None:
    health = probe(server(200, json.dumps(HEALTHY).encode()))

    assert (health.state, health.report, health.models) == ("running", HEALTHY, 3)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "another program answers there (status 404)"),
        (302, b"", "another program answers there (status 302)"),
        (500, b"{}", "another program answers there (status 500)"),
        (200, b"<html>", "another program answers there"),
        (200, b"[]", "another program answers there"),
        (200, b'{"ok":true}', "another program answers there"),
        (200, b"\xff\xfe\xfd", "another program answers there"),
        (200, b'{"ok":false,"models":0}', "the shim is not ready"),
    ],
)
def test_another_program_is_unhealthy(
    server: Server, status: int, body: bytes, reason: str
) -> None:
    health = probe(server(status, body))

    assert (health.state, health.reason) == ("unhealthy", reason)


def test_silent_port_is_unhealthy_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        health = probe(silent.getsockname()[1])

    assert (health.state, health.reason) == ("unhealthy", "no answer within 0.8 s")


@contextmanager
def program(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A program that serves one connection in its own way. Yields its port."""

    def run() -> None:
        client, _ = listener.accept()
        with client:
            serve(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def test_port_without_http_is_unhealthy() -> None:
    def banner(client: socket.socket) -> None:
        client.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        client.recv(4096)

    with program(banner) as port:
        health = probe(port)
    assert (health.state, health.reason) == ("unhealthy", "its answer is not HTTP")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "another program answers there (status 404)"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "its answer is not HTTP"),
    ],
)
def test_another_program_may_leave_the_connection_open(answer: bytes, reason: str) -> None:
    ended = threading.Event()

    def stay(client: socket.socket) -> None:
        client.sendall(answer)
        ended.wait()

    with program(stay) as port:
        health = probe(port)
        ended.set()
    assert (health.state, health.reason) == ("unhealthy", reason)


def test_port_that_closes_at_once_is_unhealthy() -> None:
    with program(lambda client: client.recv(4096)) as port:
        health = probe(port)
    assert (health.state, health.reason) == ("unhealthy", "it closed the connection unanswered")


def test_answer_that_never_ends_is_not_waited_for() -> None:
    ended = threading.Event()

    def trickle(client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not ended.wait(0.05):
                client.sendall(b" ")

    with program(trickle) as port:
        health = probe(port)
        ended.set()
    assert (health.state, health.reason) == ("unhealthy", "no answer within 0.8 s")


def test_answer_in_pieces_is_complete() -> None:
    body = json.dumps({**HEALTHY, "problems": ["x" * 40_000]}).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    def serve(client: socket.socket) -> None:
        client.recv(4096)
        for start in range(0, len(answer), 7001):
            client.sendall(answer[start : start + 7001])

    with program(serve) as port:
        health = probe(port)
    assert (health.state, health.report) == ("running", json.loads(body))


def test_proxy_of_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port = server(200, json.dumps(HEALTHY).encode())

    assert probe(port).state == "running"


def test_shim_on_ipv6_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(host: str, port: int) -> Health:
        return Health(f"{host} {port}", "running" if host == "::1" else "stopped")

    monkeypatch.setattr("shim_cli.state.health._probe", answer)
    assert probe(8765) == Health("::1 8765", "running")


@pytest.mark.parametrize(
    ("token", "accepted"), [("right", True), ("wrong", False), ("no\nheader", True)]
)
def test_local_token_is_checked_by_the_shim(token: str, *, accepted: bool) -> None:
    with answering_with_token("right") as port:
        assert accepts_token(f"http://127.0.0.1:{port}", token) is accepted


def test_shim_without_an_answer_is_assumed_to_accept_the_token(closed_port: int) -> None:
    assert accepts_token(f"http://127.0.0.1:{closed_port}", "any")


def test_listening_port_is_detected(closed_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert is_listening(listener.getsockname()[1])
    assert not is_listening(closed_port)
