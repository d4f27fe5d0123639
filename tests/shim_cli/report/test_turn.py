"""The turn of a report: from a running shim, or from a flow file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shim_cli.console.errors import CliError
from shim_cli.report.turn import SAVE_FLOWS_ADVICE, turn_from_file, turn_from_running_shim
from tests.shim_cli.health_server import answering, serving


def test_turn_is_requested_with_id_and_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-local-token-of-this-user\n")
    requests: list[tuple[str, str | None]] = []

    def respond(path: str, token: str | None) -> tuple[int, bytes]:
        requests.append((path, token))
        return 200, b'{"id": "abc"}'

    with serving(respond) as port:
        turn = turn_from_running_shim({"CODEX_SHIM_STATE_DIR": str(tmp_path)}, port, "a b")
    assert turn == {"id": "abc"}
    assert requests == [("/api/turns?id=a%20b", "the-local-token-of-this-user")]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, {"error": {"message": "No such turn"}}, "No such turn"),
        (404, {"error": "none"}, "the running shim returns no turns"),
        (500, "none", "the running shim returns no turns"),
    ],
)
def test_error_of_the_shim_is_shown(status: int, body: object, message: str) -> None:
    data = json.dumps(body).encode()
    with serving(lambda *_: (status, data)) as port, pytest.raises(CliError) as caught:
        turn_from_running_shim({"CODEX_SHIM_STATE_DIR": "/nowhere"}, port, "")
    assert caught.value.message == message
    assert caught.value.advice == SAVE_FLOWS_ADVICE


def test_response_that_is_not_json_is_an_error() -> None:
    with serving(lambda *_: (200, b"<html>")) as port, pytest.raises(CliError, match="no turn available"):  # fmt: skip
        turn_from_running_shim({"CODEX_SHIM_STATE_DIR": "/nowhere"}, port, "")


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(404, b"{}") as port, pytest.raises(CliError, match="returns no turns"):
        turn_from_running_shim({"CODEX_SHIM_STATE_DIR": "/nowhere"}, port, "")


def test_file_that_is_not_a_flow_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"\x00garbage")
    with pytest.raises(CliError, match="garbage is not a"):
        turn_from_file(tmp_path / "garbage", "")
