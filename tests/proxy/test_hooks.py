"""A hook of the addon that fails: its request is answered with the id under which it is logged, and goes nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from addons.core import gate
from addons.origins.discovery import AccountCatalog
from tests.proxy.surfaces import DONE, TURN, Home, Running, code_of, running
from tests.support.client import Client, Response, client
from tests.support.waiting import until


def broken(*_: object) -> None:
    msg = "canary-in-an-exception"
    raise RuntimeError(msg)


BREAK: dict[str, Callable[[Running, pytest.MonkeyPatch], None]] = {
    "client_connected": lambda _, patch: patch.setattr(gate, "is_loopback_address", broken),
    "client_connected, at its end": lambda p, patch: patch.setattr(p.shim.engine, "accept", broken),
    "next_layer": lambda p, patch: patch.setattr(p.shim.engine, "choose_layer", broken),
    "requestheaders": lambda _, patch: patch.setattr(gate, "refusal", broken),
    "requestheaders, authority": lambda p, patch: patch.setattr(p.shim.engine, "authority_of", broken),
    "request": lambda p, patch: patch.setattr(p.shim.engine, "admit_whole", broken),
}  # fmt: skip


async def send_a_turn(c: Client) -> Response:
    await c.post("/v1/responses", TURN, b"authorization: Bearer canary-of-the-client")
    return await c.response()


@pytest.fixture
def quiet_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> bool:
        return False

    monkeypatch.setattr(AccountCatalog, "refresh", nothing)


@pytest.mark.usefixtures("quiet_catalog")
@pytest.mark.parametrize("hook", BREAK)
async def test_a_hook_that_fails_lets_not_one_byte_out(
    home: Home, hook: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home.log_in()
    async with running(home) as proxy:
        async with client(proxy.port) as c:
            assert (await send_a_turn(c)).body == DONE
        assert home.backend.connections == 1
        BREAK[hook](proxy, monkeypatch)
        async with client(proxy.port) as c:
            response = await send_a_turn(c)
    assert response.status in (403, 500)
    assert code_of(response)
    assert home.backend.connections == 1
    assert home.sink.connections == 0
    logged = re.search(r"internal error ([0-9a-f]{8}): RuntimeError at ", caplog.text)
    assert logged
    if "request" in hook:
        assert f"internal error {logged[1]}" in response.body.decode()
    assert "canary" not in caplog.text
    assert b"canary" not in response.body


@pytest.mark.usefixtures("quiet_catalog")
async def test_a_failed_goodbye_is_logged_and_harms_no_one(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(home) as proxy:
        monkeypatch.setattr(proxy.shim.engine, "disconnected", broken)
        assert (await proxy.get("/health")).status == 200
        await until(lambda: "internal error" in caplog.text)
        assert (await proxy.get("/health")).status == 200
    assert "canary" not in caplog.text
