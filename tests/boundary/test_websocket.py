"""A WebSocket on the product's own proxy: who is let in, what reaches the backend, what is kept of a turn."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from mitmproxy import http

from addons.adapters.system.local_token import ensure_token
from addons.adapters.system.paths import access_log_file
from addons.core.headers import REDACTION_LABEL
from addons.core.telemetry.record import METADATA_KEY
from tests.boundary.masters import MASTERS
from tests.boundary.scripts import begins
from tests.boundary.surfaces import DONE, Home, code_of, running
from tests.boundary.test_secrets import everything_of
from tests.fakes.account import Account
from tests.proxy.engine.websocket.sockets import switching
from tests.support.client import client
from tests.support.engine import to_ports
from tests.support.upstream import Exchange, upstream
from tests.support.waiting import until
from tests.support.websocket import KEY, create, handshake, upgrade, websocket

CODEX = b"originator: codex_exec"
LOGIN = b"authorization: Bearer client-login-of-codex"


def token_line(token: str) -> bytes:
    return b"x-codex-shim-token: " + token.encode()


class Watching:
    """Keeps every flow that the proxy sees."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


async def test_turn_of_a_local_model_is_streamed_and_recorded(home: Home) -> None:
    watching = Watching()
    async with running(home) as proxy, websocket(proxy.port, CODEX) as socket:
        proxy.master.addons.add(watching)
        warm = await socket.ask(model="shim-demo", generate=False, input=[{"n": 1}], store=False)
        assert [event["type"] for event in warm] == ["response.created", "response.completed"]
        events = await socket.ask(
            model="shim-demo",
            store=False,
            previous_response_id=warm[-1]["response"]["id"],
            input=[{"type": "message", "role": "user", "content": "hi"}],
        )
        assert events[-1]["type"] == "response.completed"
        assert any(event["type"] == "response.output_text.delta" for event in events)
        await until(lambda: METADATA_KEY in watching.flows[-1].metadata)
    _, turn = watching.flows
    assert turn.request.json()["input"][0] == {"n": 1}
    record = turn.metadata[METADATA_KEY]
    assert (record["slug"], record["terminal"], record["ended"]) == (
        "shim-demo",
        "response.completed",
        "",
    )
    log = await asyncio.to_thread(access_log_file(home.env).read_bytes)
    (logged,) = log.splitlines()
    line = orjson.loads(logged)
    assert (line["slug"], line["transport"]) == ("shim-demo", "websocket")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"origin: https://evil.example",), 403),
        ((b"origin: null",), 403),
        ((b"sec-fetch-site: cross-site",), 403),
        ((b"sec-fetch-site: same-site",), 403),
        ((b"origin: http://127.0.0.1", b"sec-fetch-site: same-origin"), 101),
    ],
)
async def test_web_page_of_another_site_opens_no_socket(
    home: Home, lines: tuple[bytes, ...], status: int
) -> None:
    async with running(home) as proxy, client(proxy.port) as raw:
        assert (await upgrade(raw, *lines)).status == status


async def test_rebound_name_opens_no_socket(home: Home) -> None:
    async with running(home) as proxy, client(proxy.port) as raw:
        head = b"GET /v1/responses HTTP/1.1\r\nhost: evil.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        key = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        await raw.send(head + key)
        assert (await raw.head()).status == 403


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"HTTP/1.1", b"HTTP/1.0", 405),
        (b"upgrade: websocket", b"upgrade: websocket\r\nsec-websocket-key: " + KEY, 400),
    ],
)
async def test_handshake_that_is_none_opens_no_socket(
    home: Home, old: bytes, new: bytes, status: int
) -> None:
    async with running(home) as proxy, client(proxy.port) as raw:
        await raw.send(handshake("/v1/responses", CODEX).replace(old, new, 1))
        assert (await raw.head()).status == status


async def test_upgrade_needs_the_token(home: Home) -> None:
    token = ensure_token(home.env)
    label = token_line(REDACTION_LABEL.decode())
    async with running(home) as proxy:
        for lines, status, code in (
            ((), 401, "local_token_missing"),
            ((token_line("wrong"),), 403, "local_token_wrong"),
            ((label,), 403, "local_token_wrong"),
            ((CODEX,), 426, "local_token_missing"),
            ((CODEX, label), 426, "local_token_wrong"),
            ((token_line("wrong"), token_line(token)), 403, "local_token_wrong"),
            ((token_line(token), token_line("wrong")), 403, "local_token_wrong"),
        ):
            async with client(proxy.port) as raw:
                refused = await raw.rest(await upgrade(raw, *lines))
                assert (refused.status, code_of(refused)) == (status, code)
        async with websocket(proxy.port, token_line(token)) as socket:
            assert (await socket.ask(model="shim-demo", input="hi"))[-1]["type"] == (
                "response.completed"
            )


async def test_each_frame_needs_the_token_of_its_upgrade(home: Home) -> None:
    """A connection outlives a change of the token, and no frame gets in by the label in its head."""
    home.log_in()
    async with running(home) as proxy:
        async with (
            websocket(proxy.port, CODEX) as without,
            websocket(proxy.port, CODEX, token_line(REDACTION_LABEL.decode())) as labelled,
            websocket(proxy.port, CODEX, token_line("early")) as early,
        ):
            token = ensure_token(home.env)
            smuggled = {
                "ws_request_header_x_codex_shim_token": token,
                "ws_request_header_X-Codex-Shim-Token": REDACTION_LABEL.decode(),
            }
            for socket in (without, labelled, early):
                for metadata in ({}, smuggled):
                    (failed,) = await socket.ask(model="gpt-5.5", client_metadata=metadata)
                    assert failed["response"]["error"]["code"] == "invalid_prompt"
                    assert "token" in failed["response"]["error"]["message"]
        assert home.turns == 0


async def test_backend_gets_the_request_that_it_gets_by_http(home: Home) -> None:
    account = Account()
    home.log_in(account)
    token = ensure_token(home.env)
    watching = Watching()
    metadata = '{"request_kind":"turn","thread_id":"t"}'
    turn_lines = (b"x-codex-window-id: t:1", b"x-codex-turn-metadata: " + metadata.encode(), b"x-openai-mark: true")  # fmt: skip
    body = {"model": "gpt-5.5", "stream": True, "input": [{"n": 1}], "client_metadata": {"x-codex-window-id": "t:1", "x-codex-turn-metadata": metadata}}  # fmt: skip
    framed = {**body, "client_metadata": {**body["client_metadata"], "ws_request_header_x_openai_mark": "true", "x-codex-ws-stream-request-start-ms": "1"}}  # type: ignore[dict-item]  # fmt: skip
    lines = (CODEX, LOGIN, token_line(token), b"thread-id: t", b"user-agent: codex/1")
    async with running(home) as proxy:
        proxy.master.addons.add(watching)
        async with websocket(
            proxy.port, *lines, b"x-codex-window-id: t:0", b"x-codex-turn-metadata: {}"
        ) as socket:
            await socket.send(orjson.dumps({"type": "response.create", **framed}))
            assert await socket.turn() == [orjson.loads(DONE[6:])]
        posted = await proxy.post(orjson.dumps(body), *lines, *turn_lines, b"accept: text/event-stream")  # fmt: skip
        assert posted.status == 200
    by_frame, by_http = (one for one in home.backend.requests if one.line.startswith(b"POST"))
    assert by_frame.body == by_http.body
    assert by_frame.line == by_http.line

    def fields(head: bytes) -> set[bytes]:
        return {line.lower() for line in head.split(b"\r\n")[1:]}

    assert fields(by_frame.head) == fields(by_http.head)
    for flow in watching.flows:
        kept = everything_of(flow)
        for secret in (token.encode(), b"client-login-of-codex", account.access_token.encode()):
            assert secret not in kept


@pytest.mark.parametrize("master", list(MASTERS))
async def test_turns_pass_through_both_masters(tmp_path: Path, master: str) -> None:
    async def in_parts(exchange: Exchange) -> None:
        await exchange.sse_head()
        for part in (
            b"event: a\nda",
            b'ta: {"n":',
            b"1}\n\nevent: a\n",
            b'data: {"n":2}\n\n',
            DONE,
        ):
            await exchange.chunk(part)
        await exchange.end()

    async with (
        upstream(in_parts) as up,
        MASTERS[master](tmp_path, switching(to_ports(up.port))) as proxy,
        websocket(proxy.port, CODEX) as socket,
    ):
        for _ in range(2):
            assert [event.get("n") for event in await socket.ask()] == [1, 2, None]
        assert up.connections == 1


async def test_shutdown_ends_a_turn_with_a_failed_response(home: Home) -> None:
    home.log_in()
    home.backend.scripts[:] = [begins(b'data: {"n":1}\n\n')]
    async with (
        running(home, CODEX_SHIM_DRAIN_SECONDS="0.1") as proxy,
        websocket(proxy.port, CODEX) as socket,
    ):
        await socket.send(create(model="gpt-5.5"))
        assert await socket.event() == {"n": 1}
        proxy.master.shutdown()  # type: ignore[no-untyped-call]
        last = (await socket.turn())[-1]
        assert last["response"]["error"]["code"] == "shutting_down"
