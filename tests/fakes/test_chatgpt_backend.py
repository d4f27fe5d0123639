"""The fake rejects what the real backend rejects, with the same messages."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping

import pytest
import zstandard

from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import BASE, ENDPOINTS, ChatGptBackend
from tests.fakes.http_messages import Gate

GOOD: dict[str, object] = {"model": "m", "store": False, "stream": True, "input": []}
LITE_ITEM = {"type": "additional_tools", "role": "developer", "tools": []}


@pytest.fixture
def backend() -> Iterator[ChatGptBackend]:
    with ChatGptBackend(Account()) as running:
        yield running


def ask(
    backend: ChatGptBackend,
    body: bytes | None,
    headers: Mapping[str, str] | None = None,
    path: str = f"{BASE}/responses",
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(backend.base_url.split("/")[2], timeout=5)
    login = {
        "authorization": f"Bearer {backend.account.access_token}",
        "chatgpt-account-id": backend.account.account_id,
    }
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {**login, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_valid_turn_is_answered_from_the_script(backend: ChatGptBackend) -> None:
    backend.play(scenarios.text("hello"))

    status, body = ask(backend, json.dumps(GOOD).encode())

    assert status == 200
    assert body == scenarios.text("hello").payload
    assert backend.unscripted == []


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"store": True}, "Store must be set to false"),
        ({"store": None}, "Store must be set to false"),
        ({"stream": False}, "Stream must be set to true"),
        ({"input": "hello"}, "Input must be a list"),
        ({"temperature": 1}, "Unsupported parameter: temperature"),
        ({"previous_response_id": "resp_1"}, "Unsupported parameter: previous_response_id"),
        ({"input": [LITE_ITEM]}, "Invalid value: 'additional_tools'"),
        ({"input": [LITE_ITEM], "tools": []}, "Unsupported parameter: tools"),
    ],
)
def test_invalid_body_is_rejected(
    backend: ChatGptBackend, change: dict[str, object], detail: str
) -> None:
    backend.play(scenarios.text("never asked for"))

    status, body = ask(backend, json.dumps({**GOOD, **change}).encode())

    assert (status, json.loads(body)) == (400, {"detail": detail})


@pytest.mark.parametrize("encoding", [{}, {"content-encoding": "zstd"}], ids=["plain", "zstd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_and_content_encoding_must_agree(
    backend: ChatGptBackend, encoding: dict[str, str], compressed: bool
) -> None:
    backend.play(scenarios.text("hello"))
    plain = json.dumps(GOOD).encode()
    data = zstandard.ZstdCompressor().compress(plain) if compressed else plain

    status, _ = ask(backend, data, encoding)

    assert status == (200 if compressed == bool(encoding) else 400)


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer other"}, {"chatgpt-account-id": "acct-other"}]
)
def test_other_login_is_an_expired_token(backend: ChatGptBackend, headers: dict[str, str]) -> None:
    status, body = ask(backend, json.dumps(GOOD).encode(), headers)

    assert status == 401
    assert json.loads(body)["error"]["code"] == "token_expired"


def test_models_need_a_client_version_and_honour_the_etag(backend: ChatGptBackend) -> None:
    path = f"{BASE}/models?client_version=0.169.0"

    assert ask(backend, None, path=f"{BASE}/models")[0] == 422
    assert ask(backend, None, path=path) == (200, backend.models)
    assert ask(backend, None, {"if-none-match": 'W/"models-1"'}, path) == (304, b"")


def test_compact_is_unary(backend: ChatGptBackend) -> None:
    backend.play(scenarios.compaction("summary"))

    status, body = ask(backend, b'{"model":"m","input":[]}', path=f"{BASE}/responses/compact")

    assert status == 200
    assert json.loads(body)["output"][0]["encrypted_content"] == "summary"


@pytest.mark.parametrize("reset", [False, True])
def test_cut_answer_ends_inside_the_event(backend: ChatGptBackend, reset: bool) -> None:
    answer = scenarios.cut_inside(scenarios.text("hi"), "response.output_item.done", reset=reset)
    backend.play(answer)

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask(backend, json.dumps(GOOD).encode())

    assert b"response.output_item.done" in answer.payload
    assert not answer.payload.endswith(b"\n\n")


def test_disconnected_client_is_detected(backend: ChatGptBackend) -> None:
    gate = Gate()
    backend.play(scenarios.gate_before(scenarios.text("late"), "response.output_item.added", gate))
    connection = http.client.HTTPConnection(backend.base_url.split("/")[2], timeout=5)
    login = {
        "authorization": f"Bearer {backend.account.access_token}",
        "chatgpt-account-id": backend.account.account_id,
    }
    connection.request("POST", f"{BASE}/responses", json.dumps(GOOD).encode(), login)
    gate.wait_reached()

    connection.close()

    assert backend.client_left.wait(5)


def test_request_beyond_the_script_is_recorded(backend: ChatGptBackend) -> None:
    status, _ = ask(backend, json.dumps(GOOD).encode())

    assert status == 400
    assert len(backend.unscripted) == 1


@pytest.mark.parametrize("path", ENDPOINTS)
def test_endpoint_beside_the_turns_needs_its_members_and_the_login(
    backend: ChatGptBackend, path: str
) -> None:
    backend.play(scenarios.unary({"output": "found"}))
    whole = json.dumps(dict.fromkeys(ENDPOINTS[path], "x")).encode()

    refused, detail = ask(backend, b"{}", path=path)
    other, _ = ask(backend, whole, {"authorization": "Bearer other"}, path)
    status, body = ask(backend, whole, path=path)

    assert (refused, other, status) == (400, 401, 200)
    assert b"Field required" in detail
    assert json.loads(body) == {"output": "found"}
    assert [request.path for request in backend.endpoint_requests] == [path] * 3
