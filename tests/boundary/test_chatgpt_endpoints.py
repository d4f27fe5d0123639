"""The endpoints that Codex calls apart from turns, through the whole proxy on sockets: search, images, history, notes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from addons.adapters.ledger.usage_report import read_totals
from addons.core.providers.chatgpt_endpoints import FORWARDED
from addons.core.telemetry.prices import PriceTable
from tests.boundary.surfaces import Home, Running, code_of, running
from tests.fakes.account import Account
from tests.support.client import Response, client
from tests.support.upstream import Exchange, Received, Script, Upstream, upstream
from tests.support.waiting import until, within

SEARCH = b'{"id":"t1","model":"gpt-5.5","input":[],"commands":{"search_query":[{"q":"Gr\xc3\xbc\xc3\x9fe"}]}}'
RESULT = b'{"output":"Paris","encrypted_output":"e"}'
IMAGE = orjson.dumps(
    {
        "data": [{"b64_json": "iVBOR" * 200_000}],
        "usage": {"input_tokens": 30, "output_tokens": 400, "total_tokens": 430},
    }
)
CODEX = (
    b"originator: codex_exec",
    b"user-agent: codex_exec/0.171.0",
    b'x-codex-turn-metadata: {"thread_id":"t1"}',
    b"x-codex-image-turn-id: turn-1",
    b"accept: */*",
)
CREDENTIALS = (
    b"authorization: Bearer cl1ent-bearer",
    b"chatgpt-account-id: cl1ent-account",
    b"cookie: session=cl1ent-cookie",
    b"x-api-key: cl1ent-key",
)
ACCOUNT = Account()
JSON_TYPE = b"content-type: application/json"


def says(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.whole(body, JSON_TYPE, *lines, status=status)

    return script


class Setup:
    """One user with a login, and a backend that follows a script."""

    def __init__(self, home: Home, backend: Upstream, proxy: Running) -> None:
        self.home, self.backend, self.proxy = home, backend, proxy

    async def ask(
        self, path: str = "/v1/alpha/search", body: bytes = SEARCH, *lines: bytes
    ) -> Response:
        async with client(self.proxy.port) as c:
            await c.post(path, body, *(lines or CODEX))
            return await c.response()

    @property
    def asked(self) -> list[Received]:
        """The requests that arrived, without those for the list of models."""
        return [one for one in self.backend.requests if one.line.startswith(b"POST")]

    async def log_lines(self, count: int) -> list[dict[str, Any]]:
        """The access log, once it has this many lines."""
        path = self.home.folder / "state" / "access.jsonl"
        await until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@asynccontextmanager
async def setup(
    home: Home, *scripts: Script, login: bool = True, **env: str
) -> AsyncIterator[Setup]:
    if login:
        home.log_in(ACCOUNT)
    async with upstream(*scripts) as backend:
        url = f"http://127.0.0.1:{backend.port}/codex"
        async with running(home, CODEX_SHIM_CHATGPT_BASE_URL=url, **env) as proxy:
            yield Setup(home, backend, proxy)


def by_method(script: Script) -> Script:
    """Answer requests for the list of models in its own way."""

    async def both(exchange: Exchange) -> None:
        if exchange.request.line.startswith(b"GET"):
            await exchange.whole(b"", status=b"404 Not Found")
        else:
            await script(exchange)

    return both


# What passes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FORWARDED)
async def test_request_and_answer_pass_unchanged(home: Home, path: str) -> None:
    async with setup(home, by_method(says(RESULT, b"x-request-id: req_1"))) as s:
        response = await s.ask(f"/v1{path}", SEARCH, *CODEX, *CREDENTIALS)
    assert (response.status, response.body) == (200, RESULT)
    assert response.header(b"x-request-id") == b"req_1"
    (arrived,) = s.asked
    assert arrived.line == b"POST /codex%s HTTP/1.1" % path.encode()
    assert arrived.body == SEARCH
    for line in CODEX:
        name, _, value = line.partition(b": ")
        assert arrived.header(name) == value
    assert arrived.header(b"authorization") == f"Bearer {ACCOUNT.access_token}".encode()
    assert arrived.header(b"chatgpt-account-id") == ACCOUNT.account_id.encode()
    assert b"cl1ent" not in arrived.head
    assert b"x-codex-shim-token" not in arrived.head.lower()


async def test_answer_is_streamed(home: Home) -> None:
    gate = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.head(JSON_TYPE, b"content-length: %d" % len(IMAGE))
        await exchange.send(IMAGE[:70_000])
        await within(gate)
        await exchange.send(IMAGE[70_000:])

    async with setup(home, by_method(script)) as s, client(s.proxy.port) as c:
        await c.post("/v1/images/generations", b'{"model":"gpt-image-2","prompt":"x"}', *CODEX)
        response = await c.head()
        begun = await c.reader.readexactly(70_000)
        gate.set()
        rest = await c.reader.readexactly(len(IMAGE) - 70_000)
        assert response.status == 200
        assert begun + rest == IMAGE
        (line,) = await s.log_lines(1)
    assert (line["slug"], line["route"], line["model"]) == (
        "images/generations",
        "chatgpt",
        "gpt-image-2",
    )
    assert (line["usage"]["input"], line["usage"]["output"]) == (30, 400)
    assert (line["status"], line["thread"], line["bytes_out"]) == (200, "t1", len(IMAGE))


async def test_each_request_has_one_entry_in_log_and_ledger(home: Home) -> None:
    async with setup(home, by_method(says(RESULT))) as s:
        for _ in range(3):
            await s.ask()
        lines = await s.log_lines(3)
    assert [line["slug"] for line in lines] == ["alpha/search"] * 3
    assert [len(line["attempts"]) for line in lines] == [1, 1, 1]
    totals = read_totals(home.folder / "state" / "usage.sqlite", 0, "model", PriceTable(""))
    assert [(total.key, total.turns, total.failed) for total in totals] == [("alpha/search", 3, 0)]


# The login ------------------------------------------------------------------------------------------------


async def test_missing_login_is_told_with_the_command(home: Home) -> None:
    async with setup(home, by_method(says(RESULT)), login=False) as s:
        response = await s.ask()
    assert response.status == 401
    assert code_of(response) == "login_missing"
    assert b"codex login" in response.body
    assert not s.asked


async def test_login_renewed_by_codex_is_used_after_a_401(home: Home) -> None:
    renewed = ACCOUNT.renewed()

    async def script(exchange: Exchange) -> None:
        if exchange.request.header(b"authorization") == f"Bearer {renewed.access_token}".encode():
            await exchange.whole(RESULT, JSON_TYPE)
            return
        home.log_in(renewed)
        await exchange.whole(b'{"detail":"x"}', JSON_TYPE, status=b"401 Unauthorized")

    async with setup(home, by_method(script)) as s:
        response = await s.ask()
    assert (response.status, response.body) == (200, RESULT)
    assert [one.body for one in s.asked] == [SEARCH, SEARCH]


# Faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"429 Too Many Requests", b"503 Busy"])
async def test_refusal_passes_and_is_sent_once(home: Home, status: bytes) -> None:
    body = b'{"error":{"code":"usage_limit_reached","message":"m"}}'
    async with setup(home, by_method(says(body, b"retry-after: 7", status=status))) as s:
        response = await s.ask()
        (line,) = await s.log_lines(1)
    assert (response.status, response.body) == (int(status[:3]), body)
    assert response.header(b"retry-after") == b"7"
    assert len(s.asked) == 1
    assert (line["status"], line["error"]) == (int(status[:3]), "usage_limit_reached")


async def test_html_page_is_a_json_error(home: Home) -> None:
    async def page(exchange: Exchange) -> None:
        html = b"<html>Just a moment...</html>"
        await exchange.whole(html, b"content-type: text/html", status=b"403 Forbidden")

    async with setup(home, by_method(page)) as s:
        response = await s.ask()
    assert response.status == 403
    assert code_of(response) == "cloudflare_challenge"
    assert len(s.asked) == 1


async def test_cut_before_the_head_is_a_json_error_and_not_sent_again(home: Home) -> None:
    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        exchange.cut()

    async with setup(home, by_method(script)) as s:
        response = await s.ask()
        (line,) = await s.log_lines(1)
    assert response.status == 502
    assert code_of(response) == "upstream_closed"
    assert f"127.0.0.1:{s.backend.port}".encode() in response.body
    assert len(s.asked) == 1
    assert line["status"] == 502


async def test_cut_body_stays_cut(home: Home) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.head(JSON_TYPE, b"content-length: 1000")
        await exchange.send(RESULT)
        exchange.writer.close()

    async with setup(home, by_method(script)) as s:
        response = await s.ask()
        (line,) = await s.log_lines(1)
    assert not response.complete
    assert len(s.asked) == 1
    assert (line["status"], line["ended"]) == (200, "cut")


async def test_stalled_backend_is_a_504(home: Home) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.closed()

    async with setup(home, by_method(script), CODEX_SHIM_STALL_SECONDS="0.3") as s:
        response = await s.ask()
        await within(s.backend.gone)
    assert response.status == 504
    assert code_of(response) == "upstream_stalled"
    assert len(s.asked) == 1


async def test_unreachable_backend_is_named(home: Home) -> None:
    home.log_in(ACCOUNT)
    env = {"CODEX_SHIM_CHATGPT_BASE_URL": "http://127.0.0.1:9/codex"}
    async with running(home, **env) as proxy, client(proxy.port) as c:
        await c.post("/v1/alpha/search", SEARCH, *CODEX)
        response = await c.response()
    assert response.status == 502
    assert code_of(response) == "upstream_unreachable"
    assert b"codex-shim doctor" in response.body


async def test_client_that_leaves_stops_the_backend(home: Home) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        begun.set()
        await exchange.closed()
        ended.set()

    async with setup(home, by_method(script)) as s:
        async with client(s.proxy.port) as c:
            await c.post("/v1/images/generations", b'{"prompt":"x"}', *CODEX)
            await within(begun)
            c.abort()
        await within(ended)
        (line,) = await s.log_lines(1)
    assert (line["slug"], line["ended"]) == ("images/generations", "client_left")


async def test_shutdown_is_a_json_error(home: Home) -> None:
    begun = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        begun.set()
        await exchange.closed()

    proxied = setup(home, by_method(script), CODEX_SHIM_DRAIN_SECONDS="0.1")
    async with proxied as s, client(s.proxy.port) as c:
        await c.post("/v1/alpha/search", SEARCH, *CODEX)
        await within(begun)
        s.proxy.master.shutdown()  # type: ignore[no-untyped-call]
        response = await c.response()
    assert response.status == 503
    assert code_of(response) == "shutting_down"


async def test_too_large_body_is_refused(home: Home) -> None:
    async with setup(home, by_method(says(RESULT)), CODEX_SHIM_BODY_BYTES="1000") as s:
        response = await s.ask("/v1/images/edits", b"x" * 2000)
    assert response.status == 413
    assert not s.asked


# What is not served ---------------------------------------------------------------------------------------


async def test_unknown_path_is_a_404_one_warning_and_a_problem(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    async with setup(home, by_method(says(RESULT))) as s:
        for _ in range(2):
            response = await s.ask("/v1/alpha/sing?q=private", b"{}")
            assert (response.status, code_of(response)) == (404, "not_found")
        problems = (await s.proxy.health())["problems"]
    warnings = [one.getMessage() for one in caplog.records if "alpha/sing" in one.getMessage()]
    assert len(warnings) == 1
    assert "private" not in warnings[0]
    assert isinstance(problems, list)
    assert "does not know" in problems[-1]
    assert not s.asked


async def test_body_that_a_page_can_post_is_refused(home: Home) -> None:
    async with setup(home, by_method(says(RESULT))) as s, client(s.proxy.port) as c:
        await c.send(
            b"POST /v1/images/edits HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\n"
            b"content-length: 2\r\n\r\n{}"
        )
        assert code_of(await c.response()) == "unsupported_media_type"
    assert not s.asked


async def test_local_token_is_required(home: Home, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
    (tmp_path / "state" / "token").write_text("l0cal-Token_aZ93kf71QmWx55tt")
    async with setup(home, by_method(says(RESULT))) as s:
        refused = await s.ask()
        token = b"x-codex-shim-token: l0cal-Token_aZ93kf71QmWx55tt"
        passed = await s.ask("/v1/alpha/search", SEARCH, *CODEX, token)
    assert refused.status == 401
    assert code_of(refused) == "local_token_missing"
    assert passed.status == 200
    assert len(s.asked) == 1
