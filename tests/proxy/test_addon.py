"""The addon: its options, and hooks that fail. A failed hook is answered with an id, and its request goes nowhere."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from mitmproxy import connection, exceptions, http
from mitmproxy.test import taddons, tflow

from addons.adapters.codex.account_routes import AccountCatalog
from addons.core.errors import Problem
from addons.core.server import admission
from addons.core.turn import Fault, FaultKind
from addons.proxy.addon import PRIVACY, PRIVACY_VARIABLE, CodexShim, fail_closed
from tests.boundary.surfaces import DONE, TURN, Home, Running, code_of, running
from tests.support.client import Client, Response, client
from tests.support.waiting import until

# Options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"ssl_insecure": True}, "without verifying its certificate"),
        ({"mode": ["regular"]}, "runs in reverse mode, not in 'regular'"),
        ({"mode": ["reverse:tcp://127.0.0.1:9"]}, "runs in reverse mode"),
    ],
)
async def test_option_that_breaks_a_guarantee_is_refused(
    home: Home, option: dict[str, object], reason: str
) -> None:
    async with running(home) as proxy:
        port = proxy.port
        before = {name: getattr(proxy.master.options, name) for name in option}
        with pytest.raises(exceptions.OptionsError, match=reason):
            proxy.master.options.update(**option)
        assert {name: getattr(proxy.master.options, name) for name in option} == before
        assert (await proxy.get("/health")).status == 200
        assert proxy.port == port


def test_only_a_value_that_says_no_leaves_the_privacy_gate_off() -> None:
    for value, expected in {"": False, "0": False, " OFF ": False, "1": True, "yess": True}.items():
        loader = Mock()
        with taddons.context():
            CodexShim({PRIVACY_VARIABLE: value}).load(loader)
        (default,) = (one.args[2] for one in loader.add_option.mock_calls if one.args[0] == PRIVACY)
        assert default is expected, value


async def test_changed_option_closes_idle_connections(home: Home) -> None:
    home.log_in()
    async with running(home) as proxy:
        pool = proxy.shim.engine.pool
        assert (await proxy.post(b'{"model":"gpt-5.5"}')).status == 200
        await until(lambda: len(pool) == 1)
        proxy.master.options.update(ssl_verify_upstream_trusted_ca=str(home.auth))
        assert len(pool) == 0


async def test_ca_is_made_for_the_first_client_that_speaks_tls(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ca_file = tmp_path / ".mitmproxy" / "mitmproxy-ca-cert.pem"
    async with running(home) as proxy:
        assert (await proxy.get("/health")).status == 200
        assert not ca_file.exists()
        damaged = ca_file.with_name("mitmproxy-ca.pem")
        damaged.write_text("nothing that is a key")
        for _ in range(2):
            assert (await proxy.get("/a.crl")).status == 404
        (line,) = [one.getMessage() for one in caplog.records if "CA" in one.getMessage()]
        assert f"mitmproxy's CA in {ca_file.parent} cannot be used" in line
        assert not [one for one in caplog.records if one.exc_info]
        damaged.unlink()
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=unverified)
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert ca_file.exists()


async def test_new_client_opens_no_upstream_connection(home: Home) -> None:
    """Mitmproxy's own default is to dial the reverse target for each client."""
    async with running(home) as proxy, client(proxy.port) as c:
        assert proxy.master.options.connection_strategy == "lazy"
        await c.get("/health")
        assert (await c.response()).status == 200
    assert home.sink.connections == 0


# Hooks ----------------------------------------------------------------------------------------------------


class FakeEngine:
    """Records what a failed hook asks of the engine."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.refused: list[tuple[http.HTTPFlow, Problem | None]] = []

    def internal_fault(self, error: BaseException) -> Fault:
        self.errors.append(error)
        return Fault(FaultKind.INTERNAL, "internal error 1234")

    def admit_head(self, flow: http.HTTPFlow, refusal: Problem | None) -> None:
        self.refused.append((flow, refusal))


class FailingAddon:
    def __init__(self) -> None:
        self.engine: Any = FakeEngine()

    @fail_closed
    def hook(self, event: object) -> None:
        raise LookupError(event)


def test_flow_of_a_failed_hook_is_refused_with_the_id() -> None:
    addon, flow = FailingAddon(), tflow.tflow()
    addon.hook(flow)
    [(refused, problem)] = addon.engine.refused
    assert refused is flow
    assert (problem.status, problem.code) == (500, "shim_bug")
    assert "internal error 1234" in problem.message
    assert isinstance(addon.engine.errors[0], LookupError)


def test_failed_hook_of_a_connection_is_logged_and_refuses_no_flow() -> None:
    addon = FailingAddon()
    addon.hook("a client")
    assert (len(addon.engine.errors), addon.engine.refused) == (1, [])


def broken(*_: object) -> None:
    msg = "canary-in-an-exception"
    raise RuntimeError(msg)


BREAK: dict[str, Callable[[Running, pytest.MonkeyPatch], None]] = {
    "client_connected": lambda _, patch: patch.setattr(admission, "is_loopback_address", broken),
    "client_connected, last call": lambda p, patch: patch.setattr(p.shim.engine, "accept", broken),
    "next_layer": lambda p, patch: patch.setattr(p.shim.engine, "choose_layer", broken),
    "requestheaders": lambda _, patch: patch.setattr(admission, "refusal", broken),
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
async def test_failed_hook_sends_no_byte_upstream(
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
async def test_failed_disconnect_hook_is_logged_and_the_proxy_goes_on(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(home) as proxy:
        monkeypatch.setattr(proxy.shim.engine, "disconnected", broken)
        assert (await proxy.get("/health")).status == 200
        await until(lambda: "internal error" in caplog.text)
        assert (await proxy.get("/health")).status == 200
    assert "canary" not in caplog.text


async def test_client_that_has_reset_its_connection_before_it_is_accepted_is_no_error(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    # what uvloop knows of it
    gone = connection.Client(peername=None, sockname=("127.0.0.1", 8765))  # type: ignore[arg-type]
    async with running(home) as proxy:
        proxy.shim.client_connected(gone)
        assert (await proxy.get("/health")).status == 200
    assert "internal error" not in caplog.text
