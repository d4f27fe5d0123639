"""The whole shim makes a connection to the backend ready: when it does, when it does not, and who takes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from addons.adapters.system.local_token import ensure_token
from addons.core.limits import Limits
from addons.core.masking.echoes import Echoes
from addons.core.masking.mask import EchoMask
from addons.core.secrets import Origin
from addons.proxy.engine.client_pool import ReadyConnections
from tests.boundary.masters import MASTERS
from tests.boundary.socket_turns import GOOD, body, kinds
from tests.boundary.socket_turns import setup as socket_setup
from tests.boundary.surfaces import DONE, TURN, Home, Running, running
from tests.fakes.account import Account, fabricated_jwt
from tests.fakes.socket_backend import SocketBackend
from tests.support.certificates import make_authority
from tests.support.upstream import Exchange, Upstream, upstream
from tests.support.waiting import until

MODELS = "/v1/models?client_version=0.171.0"
AT_START = 2
"""Connections of a start: one for the account's models, which ends with its answer, and the one that is made ready."""


async def backend(exchange: Exchange) -> None:
    if exchange.request.line.startswith(b"GET"):
        await exchange.whole(b'{"models":[]}', b"content-type: application/json")
        return
    await exchange.sse_head()
    await exchange.chunk(DONE)
    await exchange.end()


@dataclass
class Shim:
    proxy: Running
    up: Upstream

    @property
    def ready(self) -> int:
        return len(self.proxy.shim.engine.pool)

    @property
    def turns(self) -> int:
        return sum(request.line.startswith(b"POST") for request in self.up.requests)

    async def settled(self) -> None:
        """Wait until the models were asked for and a connection is ready."""
        opening = self.proxy.shim.parts.ready._opening
        await until(lambda: self.ready == 1 and self.up.requests and not opening)


@asynccontextmanager
async def over_tls(home: Home, tmp_path: Path, **env: str) -> AsyncIterator[Shim]:
    """Run the shim with this home, and with a backend that counts its handshakes."""
    authority = make_authority(tmp_path)
    async with upstream(backend, tls=authority.server_context()) as up:
        own = {
            "CODEX_SHIM_CHATGPT_BASE_URL": f"https://127.0.0.1:{up.port}/backend-api/codex",
            "CODEX_SHIM_CA_FILE": str(authority.ca_file),
        }
        async with running(home, **own, **env) as proxy:
            yield Shim(proxy, up)


async def test_first_turn_after_a_start_makes_no_handshake(home: Home, tmp_path: Path) -> None:
    home.log_in()
    async with over_tls(home, tmp_path) as shim:
        await shim.settled()
        assert (shim.up.connections, shim.turns) == (AT_START, 0)
        assert (await shim.proxy.post(TURN)).status == 200
        assert (shim.up.connections, shim.turns) == (AT_START, 1)


async def test_first_turn_after_a_start_builds_no_mask(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.log_in()
    built: list[object] = []
    usual = EchoMask.__init__

    def build(mask: EchoMask, echoes: Iterable[Echoes]) -> None:
        built.append(mask)
        usual(mask, echoes)

    monkeypatch.setattr(EchoMask, "__init__", build)
    token = ensure_token(home.env).encode()
    async with over_tls(home, tmp_path) as shim:
        await shim.settled()
        assert len(built) == 1
        assert (await shim.proxy.post(TURN, b"x-codex-shim-token: " + token)).status == 200
        assert len(built) == 1


async def test_login_while_it_runs_makes_a_connection_ready(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("addons.proxy.refresh.LOGIN_POLL_SECONDS", 0.01)
    async with over_tls(home, tmp_path) as shim:
        assert shim.up.connections == 0
        home.log_in()
        await shim.settled()
        assert (shim.up.connections, shim.turns) == (AT_START, 0)


async def test_codex_that_asks_for_its_models_has_a_connection_made_ready_once(
    home: Home, tmp_path: Path
) -> None:
    home.log_in()
    async with over_tls(home, tmp_path) as shim:
        await shim.settled()
        for _ in range(3):
            assert (await shim.proxy.get(MODELS)).status == 200
        assert shim.up.connections == AT_START
        shim.proxy.shim.engine.pool.clear()
        for _ in range(3):
            assert (await shim.proxy.get(MODELS)).status == 200
        await until(lambda: shim.ready == 1)
        assert (await shim.proxy.post(TURN)).status == 200
        assert (shim.up.connections, shim.turns) == (AT_START + 1, 1)


async def test_models_for_another_client_make_no_connection_ready(
    home: Home, tmp_path: Path
) -> None:
    home.log_in()
    async with over_tls(home, tmp_path) as shim:
        await shim.settled()
        shim.proxy.shim.engine.pool.clear()
        await shim.proxy.slugs()
        assert (await shim.proxy.get("/health")).status == 200
        assert shim.proxy.shim.parts.ready._opening == {}


EXPIRED = Account(access_token=fabricated_jwt("acct-1", lifetime=-60))


@pytest.mark.parametrize("account", [None, EXPIRED], ids=["none", "expired"])
async def test_without_a_live_login_the_backend_is_left_alone(
    home: Home, tmp_path: Path, account: Account | None
) -> None:
    if account:
        home.log_in(account)
    async with over_tls(home, tmp_path) as shim:
        assert (await shim.proxy.get(MODELS)).status == 200
        assert shim.proxy.shim.parts.ready._opening == {}
        assert shim.up.connections == 0


async def test_connection_through_an_outbound_proxy_is_not_made_ready(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy_origin = Origin("http", "127.0.0.1", 1)
    monkeypatch.setattr("addons.proxy.composition.proxy_for", lambda *_: proxy_origin)
    home.log_in()
    async with running(home) as proxy:
        assert proxy.shim.sources.account.turn_origin
        await proxy.get(MODELS)
        assert proxy.shim.parts.ready._opening == {}
        assert len(proxy.shim.engine.pool) == 0


async def test_turn_over_a_websocket_takes_a_ready_connection(tmp_path: Path) -> None:
    fake = SocketBackend()
    async with socket_setup(MASTERS["serve"], tmp_path, fake) as shim:
        pool = shim.proxy.engine.pool
        ready = ReadyConnections(pool, Limits)
        ready.open(Origin("http", "127.0.0.1", shim.upstream.port))
        await until(lambda: len(pool) == 1)
        answers = [await shim.ask("one"), await shim.ask("two")]
        assert [kinds(each) for each in answers] == [GOOD] * 2
        assert orjson.loads(body("one"))["input"] == fake.frames[0]["input"]
        assert (shim.upstream.connections, len(fake.upgrades)) == (1, 1)
        await ready.close()
