"""The real Codex over a WebSocket to codex-shim, and codex-shim over one to the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.codex_cli import CodexHome
from tests.e2e.installation import PREVIOUS, VERSION, installed_codex
from tests.e2e.line import Line
from tests.e2e.shim import Shim
from tests.fakes import scenarios
from tests.fakes.chatgpt_backend import ChatGptBackend, decoded_body

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

REQUESTS = 30
MOST_BYTES = 100_000
"""On the wire, for the whole session. By HTTP it is 1.4 MB."""


@pytest.fixture(scope="session", params=[PREVIOUS, VERSION])
def codex(request: pytest.FixtureRequest) -> Path:
    return installed_codex(request.param)


@pytest.fixture
def both(user: CodexHome, backend: ChatGptBackend, shim: Shim) -> Line:
    """A line whose turns go over two WebSockets."""
    backend.speaks_websocket = True
    base_url = f"http://127.0.0.1:{shim.port}/v1"
    return Line(user, backend, base_url, {"supports_websockets": True})


def play_session(line: Line, requests: int) -> None:
    for number in range(1, requests):
        call = scenarios.command(f"echo step {number}", f"call_{number}")
        line.backend.play(scenarios.turn(call))
    line.backend.play(scenarios.text("done"))


def test_session_goes_over_one_socket_in_few_bytes(both: Line) -> None:
    play_session(both, REQUESTS)

    run = both.exec("thirty steps", timeout=120)

    assert (run.code, run.messages) == (0, ["done"]), run.stderr
    turns = both.backend.turns
    assert (len(turns), len(both.backend.sockets)) == (REQUESTS, 1)
    # the history is the one of a session by HTTP
    items = decoded_body(turns[-1])["input"]
    assert isinstance(items, list)
    outputs = [item["call_id"] for item in items if item["type"] == "function_call_output"]
    assert outputs == [f"call_{number}" for number in range(1, REQUESTS)]
    (socket,) = both.backend.sockets
    assert socket.received + len(socket.upgrade.head) <= MOST_BYTES
    assert sum(len(turn.body) for turn in turns) > 5 * MOST_BYTES


def test_backend_without_websockets_gets_the_session_by_http(both: Line) -> None:
    both.backend.speaks_websocket = False
    play_session(both, 3)

    run = both.exec("three steps")

    assert (run.code, run.messages) == (0, ["done"]), run.stderr
    asked = [one.method for one in both.backend.requests if one.header("upgrade") == "websocket"]
    assert (asked, len(both.backend.turns)) == (["GET"], 3)


def test_socket_that_was_cut_is_replaced_within_the_session(both: Line) -> None:
    cut = scenarios.cut_inside(scenarios.text("never"), "response.output_text.delta", reset=True)
    both.backend.play(scenarios.turn(scenarios.command("echo one", "call_1")), cut)
    both.backend.play(scenarios.text("done"))

    run = both.exec("one step")

    assert (run.code, run.messages[-1]) == (0, "done"), run.stderr
    assert (len(both.backend.turns), len(both.backend.sockets)) == (3, 2)
