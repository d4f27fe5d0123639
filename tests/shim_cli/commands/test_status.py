from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from shim_cli.commands.status import write_status
from tests.shim_cli.health_server import HEALTHY, answering
from tests.support.ports import free_port

Server = Callable[[int, bytes], int]


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield lambda status, body: stack.enter_context(answering(status, body))


@pytest.fixture
def closed_port() -> int:
    return free_port()


def test_running_shim_is_described(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    port = server(200, json.dumps(HEALTHY).encode())

    assert write_status({}, port, as_json=False) == 0
    assert capsys.readouterr().out == (
        f"running at http://127.0.0.1:{port}\n"
        "  version              0.1.0\n"
        "  pid                  4711\n"
        "  uptime               1 h 2 min\n"
        "  models               3\n"
        "  ChatGPT passthrough  yes\n"
        "  Cursor passthrough   no\n"
        "List its models: codex-shim list\n"
    )


def test_route_that_is_not_asked_is_named(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "gpt-5.5 is used up until 14:20; mine answers"
    unavailable = [{"slugs": ["gpt-5.5"], "text": text}, "odd", {"text": 3}]
    port = server(200, json.dumps({**HEALTHY, "unavailable": unavailable}).encode())

    assert write_status({}, port, as_json=False) == 0
    assert f"  unavailable          {text}\n" in capsys.readouterr().out


def test_json_report(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    port = server(200, json.dumps(HEALTHY).encode())

    assert write_status({}, port, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        **HEALTHY,
        "state": "running",
        "url": f"http://127.0.0.1:{port}",
        "reason": "",
    }


def test_closed_port_is_stopped(closed_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert write_status({}, closed_port, as_json=False) == 3
    assert capsys.readouterr().out == (
        f"stopped: nothing listens at http://127.0.0.1:{closed_port}\nStart it: codex-shim start --port {closed_port}\n"
    )
    assert write_status({}, closed_port, as_json=True) == 3
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"


def test_unhealthy_port_suggests_another_one(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server(404, b"")

    assert write_status({}, port, as_json=False) == 1
    assert capsys.readouterr().out == (
        f"unhealthy: http://127.0.0.1:{port}: another program answers there (status 404)\n"
        f"Use another port: codex-shim start --port {port + 1}\n"
    )
