from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shim_cli.health import Health, probe
from shim_cli.status import write_status

HEALTHY = {
    "ok": True,
    "version": "0.1.0",
    "models": 3,
    "chatgpt_passthrough": True,
    "cursor_passthrough": False,
    "pid": 4711,
    "uptime_seconds": 3725.4,
    "reasons": {},
}
Server = Callable[[int, bytes], int]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = status if self.path == "/health" else 404
            self.send_response(found)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield lambda status, body: stack.enter_context(answering(status, body))


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_a_running_shim_is_described(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    port = server(200, json.dumps(HEALTHY).encode())

    assert write_status(port, as_json=False) == 0
    assert capsys.readouterr().out == (
        f"running at http://127.0.0.1:{port}\n"
        "  version              0.1.0\n"
        "  pid                  4711\n"
        "  uptime               1 h 2 min\n"
        "  models               3\n"
        "  ChatGPT passthrough  yes\n"
        "  Cursor passthrough   no\n"
        "See its models: codex-shim list\n"
    )


def test_for_programs_the_report_comes_as_json(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server(200, json.dumps(HEALTHY).encode())

    assert write_status(port, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        **HEALTHY,
        "state": "running",
        "url": f"http://127.0.0.1:{port}",
        "reason": "",
    }


def test_nothing_on_the_port_is_stopped(
    closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write_status(closed_port, as_json=False) == 3
    assert capsys.readouterr().out == (
        f"stopped: nothing listens at http://127.0.0.1:{closed_port}\nStart it: codex-shim serve --port {closed_port}\n"
    )
    assert write_status(closed_port, as_json=True) == 3
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"", "something else answers there (status 404)"),
        (500, b"{}", "something else answers there (status 500)"),
        (200, b"<html>", "something else answers there"),
        (200, b"[]", "something else answers there"),
        (200, b'{"ok":true}', "something else answers there"),
        (200, b"\xff\xfe\xfd", "something else answers there"),
        (200, b'{"ok":false,"models":0}', "the shim says that it is not ready"),
    ],
)
def test_somebody_else_on_the_port_is_unhealthy(
    server: Server, capsys: pytest.CaptureFixture[str], status: int, body: bytes, reason: str
) -> None:
    port = server(status, body)

    assert write_status(port, as_json=False) == 1
    assert capsys.readouterr().out == (
        f"unhealthy: http://127.0.0.1:{port}: {reason}\n"
        f"Take another port: codex-shim serve --port {port + 1}\n"
    )


def test_a_port_that_stays_silent_is_unhealthy_within_a_moment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        health = probe(silent.getsockname()[1])

    assert (health.state, health.reason) == ("unhealthy", "no answer within 0.8 s")


def test_a_port_that_speaks_something_else_is_unhealthy() -> None:
    def banner() -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
            client.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=banner)
        thread.start()
        health = probe(listener.getsockname()[1])
        thread.join()

    assert (health.state, health.reason) == ("unhealthy", "no HTTP answer (BadStatusLine)")


def test_a_proxy_of_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    port = server(200, json.dumps(HEALTHY).encode())

    assert probe(port).state == "running"


def test_a_shim_that_listens_on_ipv6_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(url: str) -> Health:
        return Health(url, "running" if "[::1]" in url else "stopped")

    monkeypatch.setattr("shim_cli.health._probe", answer)
    assert probe(8765) == Health("http://[::1]:8765", "running")
