"""Each kind of Codex's login through the whole proxy on sockets, against services that check it as OpenAI's do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import keyring
import orjson
import pytest

from addons.adapters.codex.account_details import AccountDetails
from addons.adapters.codex.keyring_entry import SERVICE, entry_user
from addons.adapters.system.packages import install_command
from addons.core.codex.login import Login
from addons.core.json_values import as_object
from addons.proxy.engine.engine import Engine
from tests.boundary.surfaces import DONE, TURN, Home, Running, code_of, running
from tests.fakes.account import Account
from tests.fakes.http_messages import Request
from tests.fakes.logins import AgentAccount, KeyAccount, RegionAccount, TokenAccount
from tests.support.client import client
from tests.support.upstream import Exchange, Upstream, upstream
from tests.support.waiting import LONGEST, until, within

FEDRAMP = Account(claims={"chatgpt_account_is_fedramp": True})
CODEX = (b"originator: codex_exec", b"content-type: application/json")


class Service:
    """The backend and the login service. A request with other headers than the account's is refused."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.refused: list[bytes] = []

    async def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        document = _document(self.account, request.head)
        if document is not None:
            await exchange.whole(document, b"content-type: application/json")
        elif request.line.startswith(b"GET"):
            await exchange.whole(b"", status=b"404 Not Found")
        elif any(
            request.header(name.encode()) != (value and value.encode())
            for name, value in self.account.headers.items()
        ):
            self.refused.append(request.head)
            await exchange.whole(b'{"detail":"Unauthorized"}', status=b"401 Unauthorized")
        else:
            await exchange.sse_head()
            await exchange.chunk(DONE)
            await exchange.end()


def _document(account: Account, head: bytes) -> bytes | None:
    document = account.document(Request(head, b""))
    return None if document is None else json.dumps(document).encode()


@asynccontextmanager
async def setup(
    home: Home, account: Account, variable: str = "CODEX_SHIM_CHATGPT_BASE_URL"
) -> AsyncIterator[tuple[Service, Running, Upstream]]:
    home.log_in(account)
    service = Service(account)
    async with upstream(service.answer) as backend:
        root = f"http://127.0.0.1:{backend.port}"
        env = {
            "CODEX_AUTHAPI_BASE_URL": f"{root}/authapi",
            variable: f"{root}/v1" if "OPENAI" in variable else f"{root}/backend-api/codex",
        }
        async with running(home, **env) as proxy:
            yield service, proxy, backend


def asked(backend: Upstream, path: bytes) -> Callable[[], bool]:
    return lambda: any(path in request.line for request in backend.requests)


@pytest.mark.parametrize(
    "account", [Account(), Account(names_account=False), FEDRAMP], ids=["file", "claim", "fedramp"]
)
async def test_chatgpt_login_is_sent_as_codex_sends_it(home: Home, account: Account) -> None:
    async with setup(home, account) as (service, proxy, _):
        response = await proxy.post(TURN, *CODEX)
    assert (response.status, response.body) == (200, DONE)
    assert service.refused == []


async def test_fedramp_mark_of_the_client_is_not_doubled(home: Home) -> None:
    async with setup(home, FEDRAMP) as (_, proxy, backend):
        await proxy.post(TURN, *CODEX, b"X-OpenAI-Fedramp: true")
    turn = backend.requests[-1].head.lower()
    assert turn.count(b"x-openai-fedramp") == 1


@pytest.mark.parametrize("is_fedramp", [False, True])
async def test_access_token_is_sent_with_the_account_that_owns_it(
    home: Home, is_fedramp: bool
) -> None:
    account = TokenAccount(is_fedramp=is_fedramp)
    async with setup(home, account) as (service, proxy, _):
        logins = proxy.shim.sources.logins
        await until(lambda: bool(logins.known and logins.known.account_id))
        response = await proxy.post(TURN, *CODEX)
    assert response.status == 200
    assert service.refused == []


async def test_region_goes_to_the_backend_of_the_account(home: Home) -> None:
    account = RegionAccount(claims={"chatgpt_plan_type": "enterprise"})
    async with upstream(Service(account).answer) as regional:
        own = RegionAccount(
            account.account_id,
            account.access_token,
            account.id_token,
            claims=account.claims,
            origin=f"http://127.0.0.1:{regional.port}",
        )
        async with setup(home, own) as (_, proxy, usual):
            logins = proxy.shim.sources.logins
            await until(lambda: bool(logins.known and logins.known.backend))
            response = await proxy.post(TURN, *CODEX)
    assert response.status == 200
    (turn,) = [one for one in regional.requests if one.line.startswith(b"POST")]
    assert turn.line == b"POST /backend-api/codex/responses HTTP/1.1"
    assert turn.header(b"host") == b"127.0.0.1:%d" % regional.port
    assert not any(one.line.startswith(b"POST") for one in usual.requests)


async def test_api_key_goes_to_the_api_only(home: Home) -> None:
    async with setup(home, KeyAccount(), "CODEX_SHIM_OPENAI_BASE_URL") as (service, proxy, api):
        response = await proxy.post(TURN, *CODEX)
        health = await proxy.health()
    assert response.status == 200
    assert service.refused == []
    assert [one.line for one in api.requests] == [b"POST /v1/responses HTTP/1.1"]
    assert home.backend.requests == []
    assert health["chatgpt_passthrough"] is False


async def test_search_with_an_api_key_goes_to_the_api(home: Home) -> None:
    async with (
        setup(home, KeyAccount(), "CODEX_SHIM_OPENAI_BASE_URL") as (service, proxy, api),
        client(proxy.port) as c,
    ):
        await c.post("/v1/alpha/search", b'{"id":"t1","model":"gpt-5.5"}', *CODEX)
        response = await c.response()
    assert response.status == 200
    assert service.refused == []
    assert [one.line for one in api.requests] == [b"POST /v1/alpha/search HTTP/1.1"]


async def test_api_key_is_not_sent_to_chatgpt_after_a_change_of_the_login(home: Home) -> None:
    async with setup(home, Account()) as (_, proxy, backend):
        await proxy.post(TURN, *CODEX)
        key = KeyAccount()
        home.log_in(key)
        await proxy.post(TURN, *CODEX)
    assert key.access_token.encode() not in b"".join(one.head for one in backend.requests)


async def test_signature_of_codex_passes_and_other_clients_are_told(home: Home) -> None:
    signed = (
        b"authorization: AgentAssertion c2lnbmVk",
        b"chatgpt-account-id: acct-agent-0123456789",
    )
    async with setup(home, AgentAccount()) as (_, proxy, backend):
        await proxy.post(TURN, *CODEX, *signed)
        refused = await proxy.post(TURN, b"user-agent: OpenAI/Python")
    turn = next(one for one in backend.requests if one.line.startswith(b"POST"))
    assert turn.header(b"authorization") == b"AgentAssertion c2lnbmVk"
    assert turn.header(b"chatgpt-account-id") == b"acct-agent-0123456789"
    assert (refused.status, code_of(refused)) == (401, "login_agent_identity")
    assert b"codex-shim enable" in refused.body


def keep_in_keyring(home: Home) -> Path:
    codex = home.auth.parent
    (codex / "config.toml").write_text('cli_auth_credentials_store = "keyring"\n')
    return codex


async def test_login_in_the_keyring_serves_a_turn(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account()
    home.log_in(account)
    entry, codex = home.auth.read_text(), keep_in_keyring(home)
    entries = {(SERVICE, entry_user(codex)): entry}
    monkeypatch.setattr(keyring, "get_password", lambda *names: entries.get(names))
    async with setup(home, account) as (service, proxy, _):
        home.auth.unlink()
        response = await proxy.post(TURN, *CODEX)
    assert response.status == 200
    assert service.refused == []


async def test_keyring_that_cannot_be_read_is_told_with_the_way_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    home.auth.parent.mkdir()
    keep_in_keyring(home)
    async with running(home) as proxy:
        response = await proxy.post(TURN, b"user-agent: OpenAI/Python")
        reasons = (await proxy.health())["reasons"]
    assert install_command("keyring") in orjson.loads(response.body)["error"]["message"]
    assert "'keyring'" in str(as_object(reasons)["chatgpt"])


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/alpha/search"])
async def test_key_of_codex_is_not_sent_to_chatgpt(home: Home, path: str) -> None:
    async with setup(home, Account()) as (_, proxy, backend):
        home.auth.unlink()
        async with client(proxy.port) as c:
            await c.post(path, TURN, *CODEX, b"authorization: Bearer sk-fabricated")
            response = await c.response()
    assert b"codex login" in response.body
    assert not any(b"sk-fabricated" in one.head for one in backend.requests)


# The region of a workspace --------------------------------------------------------------------------------


def workspace() -> RegionAccount:
    return RegionAccount(claims={"chatgpt_plan_type": "enterprise"})


def posts(backend: Upstream) -> int:
    return sum(request.line.startswith(b"POST") for request in backend.requests)


@asynccontextmanager
async def held_back(
    home: Home, monkeypatch: pytest.MonkeyPatch, *, answers: bool = True
) -> AsyncIterator[tuple[Service, Running, Upstream, asyncio.Event]]:
    """Run the shim with the login of a workspace whose region the backend names when the event is set."""
    account, gate = workspace(), asyncio.Event()
    usual = Service.answer

    async def answer(service: Service, exchange: Exchange) -> None:
        if b"/accounts/check" in exchange.request.line:
            await within(gate)
            if not answers:
                await exchange.whole(b"", status=b"500 Internal Server Error")
                return
        await usual(service, exchange)

    monkeypatch.setattr(Service, "answer", answer)
    async with setup(home, account) as (service, proxy, backend):
        await until(asked(backend, b"/accounts/check"))
        try:
            yield service, proxy, backend, gate
        finally:
            gate.set()


async def test_first_turn_of_a_workspace_waits_for_its_region(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    usual = AccountDetails.hold

    def hold(details: AccountDetails, login: Login) -> float:
        looks.append(usual(details, login))
        return looks[-1]

    monkeypatch.setattr(AccountDetails, "hold", hold)
    monkeypatch.setattr("addons.adapters.codex.account_details.HOLD_SECONDS", LONGEST)
    async with held_back(home, monkeypatch) as (service, proxy, backend, gate):
        async with asyncio.TaskGroup() as group:
            turns = [group.create_task(proxy.post(TURN, *CODEX)) for _ in range(2)]
            await until(lambda: len(looks) >= 4)
            assert posts(backend) == 0
            gate.set()
        assert [turn.result().status for turn in turns] == [200, 200]
        assert service.refused == []
        looks.clear()
        assert (await proxy.post(TURN, *CODEX)).status == 200
        assert looks == [0.0]


async def test_turn_goes_without_a_region_that_is_not_named_in_time(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("addons.adapters.codex.account_details.HOLD_SECONDS", 0.1)
    async with held_back(home, monkeypatch) as (service, proxy, backend, _):
        for number in (1, 2, 3):
            await proxy.post(TURN, *CODEX)
            assert posts(backend) == len(service.refused) == number
    warnings = [record.message for record in caplog.records if "region" in record.message]
    assert len(warnings) == 1
    assert "restart codex-shim" in warnings[0]


async def test_turn_does_not_wait_for_a_region_that_was_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("addons.adapters.codex.account_details.HOLD_SECONDS", LONGEST)
    async with held_back(home, monkeypatch, answers=False) as (_, proxy, backend, gate):
        gate.set()
        async with asyncio.timeout(LONGEST / 2):
            await proxy.post(TURN, *CODEX)
        assert posts(backend) == 1
    assert len([record for record in caplog.records if "region" in record.message]) == 1


async def test_turn_that_is_held_at_the_end_of_the_shim_goes_to_its_region(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, has_begun = Engine.shutdown, asyncio.Event()

    async def shutdown(engine: Engine) -> None:
        has_begun.set()
        await usual(engine)

    monkeypatch.setattr(Engine, "shutdown", shutdown)
    async with held_back(home, monkeypatch) as (service, proxy, _, gate):
        async with asyncio.TaskGroup() as group:
            turn = group.create_task(proxy.post(TURN, *CODEX))
            await until(lambda: proxy.shim.engine.live_turns)
            proxy.master.shutdown()  # type: ignore[no-untyped-call]
            await within(has_begun)
            gate.set()
        assert (turn.result().status, service.refused) == (200, [])


async def test_client_that_leaves_while_its_turn_is_held_costs_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held_back(home, monkeypatch) as (_, proxy, backend, gate):
        async with client(proxy.port) as c:
            await c.post("/v1/responses", TURN, *CODEX)
            await until(lambda: proxy.shim.engine.live_turns)
        await until(lambda: not proxy.shim.engine.live_turns)
        gate.set()
        logins = proxy.shim.sources.logins
        await until(lambda: bool(logins.known and logins.known.routing_override))
        assert posts(backend) == 0
