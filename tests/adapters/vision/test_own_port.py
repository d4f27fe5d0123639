"""The request to this process's own port, against a server that a test plays."""

from __future__ import annotations

import json

import pytest

from addons.adapters.vision import own_port
from addons.adapters.vision.own_port import NOT_REACHED, OwnPort
from tests.support.upstream import Exchange, Script, upstream

DONE = (
    b'data: {"type":"response.output_text.delta","delta":"a cat"}\n\n'
    b'data: {"type":"response.completed","response":{}}\n\n'
)


async def describes(exchange: Exchange) -> None:
    await exchange.sse_head()
    await exchange.chunk(DONE)
    await exchange.end()


def refuses(status: bytes, code: str) -> Script:
    async def script(exchange: Exchange) -> None:
        body = json.dumps({"error": {"code": code, "message": "why"}}).encode()
        await exchange.whole(body, b"content-type: application/json", status=status)

    return script


def port_of(port: int, token: str = "", host: str = "127.0.0.1") -> OwnPort:
    return OwnPort(lambda: (host, port), lambda: token)


async def test_request_names_its_purpose_its_thread_and_shows_the_token() -> None:
    async with upstream(describes) as up:
        own = port_of(up.port, "local-token", "0.0.0.0")  # noqa: S104  a listener's address
        answered = await own.describe("eyes", "https://e.x/a.png", b"t1", b"r1")
    assert answered == ("a cat", "", "")
    (request,) = up.requests
    head = request.head.lower()
    for line in (
        b"codex-shim-purpose: picture", b"thread-id: t1", b"session-id: r1", b"x-codex-shim-token: local-token",
        b"host: 127.0.0.1:%d" % up.port,
    ):  # fmt: skip
        assert line in head
    assert json.loads(request.body)["model"] == "eyes"


async def test_without_thread_and_token_no_header_is_empty() -> None:
    async with upstream(describes) as up:
        await port_of(up.port).describe("eyes", "https://e.x/a.png", b"", b"")
    head = up.requests[0].head.lower()
    assert not any(name in head for name in (b"thread-id", b"session-id", b"x-codex-shim-token"))


async def test_refusal_is_its_code_and_message() -> None:
    async with upstream(refuses(b"429 Too Many Requests", "budget_exceeded")) as up:
        answered = await port_of(up.port).describe("eyes", "https://e.x/a.png", b"", b"")
    assert answered == ("", "budget_exceeded", "why")


async def test_key_that_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_port, "POLL_SECONDS", 0.001)
    pending = refuses(b"503 Service Unavailable", "key_pending")
    async with upstream(pending, pending, describes) as up:
        answered = await port_of(up.port).describe("eyes", "https://e.x/a.png", b"", b"")
        assert answered.text == "a cat"
    monkeypatch.setattr(own_port, "KEY_SECONDS", 0.0)
    async with upstream(pending) as up:
        answered = await port_of(up.port).describe("eyes", "https://e.x/a.png", b"", b"")
    assert answered.code == "key_pending"


async def test_port_that_does_not_answer_is_a_failure_and_no_exception() -> None:
    async with upstream(describes) as up:
        port = up.port
    answered = await port_of(port).describe("eyes", "https://e.x/a.png", b"", b"")
    assert answered.code == NOT_REACHED
