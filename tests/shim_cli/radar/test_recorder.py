"""The recorder: an answer to every request, in the order of the script, and a record of all."""

from __future__ import annotations

import http.client
import json

import zstandard

from addons.core.contract.answers import answer, message
from shim_cli.radar.recorder import DONE, Recorder, serving

FIRST, SECOND = answer(message("first")), answer(message("second"))


def ask(port: int, path: str, body: bytes = b"{}", method: str = "POST", **headers: str) -> tuple[int, bytes]:  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body if method == "POST" else None, names)
    response = connection.getresponse()
    try:
        return response.status, response.read()
    finally:
        connection.close()


def test_turns_are_answered_in_order_and_the_last_answer_is_repeated() -> None:
    recorder = Recorder([FIRST, SECOND], b'{"models": []}')
    with serving(recorder) as port:
        texts = [ask(port, "/v1/responses")[1] for _ in range(3)]
        agent = ask(port, "/v1/responses", x_openai_subagent="spawn")[1]
        assert ask(port, "/v1/models?client_version=1", method="GET") == (200, b'{"models": []}')
        assert json.loads(ask(port, "/v1/alpha/search")[1])["output"]
        assert ask(port, "/v1/unknown")[0] == 404
        assert ask(port, "/backend-api/wham/settings/user", method="GET")[0] == 404
    assert [b"first" in text for text in texts] == [True, False, False]
    assert [b"second" in text for text in texts] == [False, True, True]
    assert b"Done." in agent
    assert DONE[-1]["type"] == "response.completed"
    assert [one.endpoint for one in recorder.requests] == [
        *["POST /responses"] * 4,
        "GET /models",
        "POST /alpha/search",
        "POST /unknown",
    ]
    assert recorder.requests[4].query == ("client_version",)


def test_compressed_body_is_recorded_plain() -> None:
    recorder = Recorder([FIRST], b"")
    body = zstandard.ZstdCompressor().compress(b'{"model": "m"}')
    with serving(recorder) as port:
        assert ask(port, "/v1/responses", body, content_encoding="zstd")[0] == 200
    assert recorder.requests[0].body == b'{"model": "m"}'


def test_client_that_leaves_is_no_error(capfd: object) -> None:
    recorder = Recorder([FIRST], b"")
    with serving(recorder) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/responses", b"{}")
        connection.close()
        assert ask(port, "/v1/responses")[0] == 200
    assert capfd.readouterr().err == ""  # type: ignore[attr-defined]
