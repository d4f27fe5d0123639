"""The local token and the picker's data on a real socket, with the product's own proxy behind it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from mitmproxy import http

from addons.adapters.codex.config_file import CodexConfig
from addons.adapters.system.local_token import ensure_token
from tests.boundary.surfaces import DEMO, TURN, Home, Running, code_of, running
from tests.boundary.test_secrets import everything_of
from tests.support.client import Response, client


def token_line(token: str) -> bytes:
    return b"x-codex-shim-token: " + token.encode()


class Watching:
    """Keeps every flow that the proxy sees."""

    def __init__(self) -> None:
        self.flows: list[http.HTTPFlow] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)


async def test_no_token_is_needed_without_a_token_file(home: Home) -> None:
    async with running(home) as proxy:
        assert (await proxy.post(DEMO)).status == 200


async def test_missing_and_wrong_tokens_have_different_errors(home: Home) -> None:
    token = ensure_token(home.env)
    async with running(home) as proxy:
        missing = await proxy.post(DEMO)
        assert (missing.status, code_of(missing)) == (401, "local_token_missing")
        wrong = await proxy.post(DEMO, token_line(token[::-1] + "x"))
        assert (wrong.status, code_of(wrong)) == (403, "local_token_wrong")
        bearer = await proxy.post(DEMO, b"authorization: Bearer " + token.encode())
        assert bearer.status == 401
        assert token.encode() not in missing.body + wrong.body + bearer.body
        assert (await proxy.post(DEMO, token_line(token))).status == 200
        assert (await proxy.get("/health")).status == 200
        assert await proxy.slugs() == ["shim-demo"]


async def test_a_token_made_or_changed_while_it_runs_counts_at_once(home: Home) -> None:
    async with running(home) as proxy:
        assert (await proxy.post(DEMO)).status == 200
        ensure_token(home.env)
        assert (await proxy.post(DEMO)).status == 401


async def test_the_variable_switches_it_off(home: Home) -> None:
    ensure_token(home.env)
    async with running(home, CODEX_SHIM_REQUIRE_TOKEN="0") as proxy:
        assert (await proxy.post(DEMO)).status == 200
    async with running(home, CODEX_SHIM_REQUIRE_TOKEN="1") as proxy:
        assert (await proxy.post(DEMO)).status == 401


async def test_the_token_reaches_no_upstream_and_no_flow(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    home.log_in()
    token = ensure_token(home.env)
    watching = Watching()
    async with running(home) as proxy:
        proxy.master.addons.add(watching)
        assert (await proxy.post(TURN, token_line(token))).status == 200
        assert (await proxy.post(TURN, token_line(token[::-1]))).status == 403
    assert home.turns == 1
    [sent] = [request for request in home.backend.requests if b"/responses" in request.line]
    assert sent.header(b"x-codex-shim-token") is None
    assert token.encode() not in repr(sent).encode()
    assert len(watching.flows) == 2
    for flow in watching.flows:
        assert token.encode() not in everything_of(flow)
        assert token[::-1].encode() not in everything_of(flow)
    assert token not in caplog.text


# The picker's data ----------------------------------------------------------------------------------------


async def switch(proxy: Running, slug: str, *lines: bytes) -> Response:
    async with client(proxy.port) as c:
        await c.post("/api/switch", orjson.dumps({"slug": slug}), *lines)
        return await c.response()


async def test_a_switch_writes_codex_config_and_the_list_shows_it(home: Home) -> None:
    token = ensure_token(home.env)
    config = CodexConfig(home.env)
    async with running(home) as proxy:
        refused = await switch(proxy, "shim-demo")
        assert (refused.status, code_of(refused)) == (401, "local_token_missing")
        assert (await proxy.get("/api/models")).status == 401
        assert config.active_model() is None

        done = await switch(proxy, "shim-demo", token_line(token))
        error_reply = orjson.loads(done.body)
        assert (done.status, error_reply["slug"], error_reply["written"]) == (
            200,
            "shim-demo",
            True,
        )
        assert "shim-demo" in error_reply["message"]
        assert config.active_model() == "shim-demo"
        text = config.path.read_text()
        assert f"http://127.0.0.1:{proxy.port}/v1" in text
        assert token in text

        models = orjson.loads((await proxy.get("/api/models", token_line(token))).body)["models"]
        assert [row["slug"] for row in models if row["active"]] == ["shim-demo"]
        again = orjson.loads((await switch(proxy, "shim-demo", token_line(token))).body)
        assert again["written"] is False
    catalog = Path(home.env["CODEX_SHIM_STATE_DIR"]) / "custom_model_catalog.json"
    assert [m["slug"] for m in orjson.loads(catalog.read_bytes())["models"]] == ["shim-demo"]


async def test_failed_switch_gives_a_reason_and_changes_nothing(home: Home) -> None:
    token = ensure_token(home.env)
    config = CodexConfig(home.env).path
    config.parent.mkdir()
    config.write_text("broken = \n")
    async with running(home) as proxy:
        done = await switch(proxy, "shim-demo", token_line(token))
        error_reply = orjson.loads(done.body)
    assert (error_reply["slug"], error_reply["written"]) == ("shim-demo", False)
    assert "not valid TOML" in error_reply["message"]
    assert config.read_text() == "broken = \n"


@pytest.mark.parametrize("line", [b"origin: http://evil.example", b"sec-fetch-site: cross-site"])
async def test_another_site_may_not_switch_even_with_the_token(home: Home, line: bytes) -> None:
    token = ensure_token(home.env)
    async with running(home) as proxy:
        refused = await switch(proxy, "shim-demo", token_line(token), line)
        assert (refused.status, code_of(refused)) == (403, "request_refused")
    assert CodexConfig(home.env).active_model() is None
