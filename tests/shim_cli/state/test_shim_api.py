"""What the running shim tells clients, and what is said when it does not answer."""

from __future__ import annotations

import pytest

from shim_cli.state.shim_api import ShimApiError, get_json
from tests.shim_cli.health_server import serving
from tests.support.ports import free_port

TOKEN = "t0ken-of-this-user"


def test_answer_is_read_with_the_token_and_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[tuple[str, str | None]] = []

    def respond(path: str, token: str | None) -> tuple[int, bytes]:
        seen.append((path, token))
        return 200, b"[1]"

    with serving(respond) as port:
        assert get_json(f"http://127.0.0.1:{port}/api/x", TOKEN) == [1]
        assert get_json(f"http://127.0.0.1:{port}/api/x", "") == [1]
    assert seen == [("/api/x", TOKEN), ("/api/x", None)]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b'{"error":{"message":"no","code":"forbidden"}}', ("no", "forbidden", 403)),
        (404, b'{"error":"none"}', ("", "", 404)),
        (500, b"<html>", ("", "", 500)),
        (502, b"", ("", "", 502)),
        (200, b"<html>", ("no valid answer (JSONDecodeError)", "", 0)),
    ],
)
def test_other_answers_are_errors(status: int, body: bytes, expected: tuple[str, str, int]) -> None:
    with serving(lambda *_: (status, body)) as port, pytest.raises(ShimApiError) as caught:
        get_json(f"http://127.0.0.1:{port}/", TOKEN)
    error = caught.value
    assert (str(error), error.code, error.status) == expected


def test_port_without_a_shim_is_an_error() -> None:
    with pytest.raises(ShimApiError, match="nothing listens there") as caught:
        get_json(f"http://127.0.0.1:{free_port()}/", TOKEN)
    assert caught.value.status == 0
