"""Every kind of Codex's login: the real Codex without the shim and through `enable`, against a backend that checks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tomlkit

from tests.e2e.codex_cli import CodexHome, Json
from tests.e2e.installation import PREVIOUS, VERSION, installed_codex
from tests.e2e.newcomer import OWN, Newcomer
from tests.fakes import scenarios
from tests.fakes.account import Account
from tests.fakes.chatgpt_backend import ChatGptBackend, decoded_body
from tests.fakes.http_messages import Request
from tests.fakes.logins import (
    AgentAccount,
    AgentBackend,
    ApiBackend,
    KeyAccount,
    RegionAccount,
    TokenAccount,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

MODEL = "gpt-6-sol"
FEDRAMP = {"chatgpt_account_is_fedramp": True}


@pytest.fixture(params=[VERSION, PREVIOUS])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> CodexHome:
    return CodexHome(tmp_path, installed_codex(request.param))


@pytest.fixture
def models(bundled_models: list[Json]) -> bytes:
    return json.dumps({"models": bundled_models}).encode()


def services(backend: ChatGptBackend) -> dict[str, str]:
    """Return the variables of Codex that name OpenAI's services."""
    root = backend.base_url.removesuffix(urlsplit(backend.base_url).path)
    return {
        "CODEX_AUTHAPI_BASE_URL": f"{root}/authapi",
        "CODEX_AGENT_IDENTITY_AUTHAPI_BASE_URL": f"{root}/agents",
        "CODEX_AGENT_IDENTITY_JWKS_BASE_URL": f"{root}/agents",
    }


def with_services(user: CodexHome, backend: ChatGptBackend, variable: str, **env: str) -> Newcomer:
    return Newcomer(user, {**services(backend), variable: backend.base_url, **env})


@pytest.fixture
def cleanup() -> Iterator[list[Newcomer]]:
    people: list[Newcomer] = []
    yield people
    for someone in people:
        someone.end_all()


CHATGPT_LOGINS = {
    "account in the file": Account(),
    "account in the id_token": Account(names_account=False),
    "FedRAMP": Account(claims=FEDRAMP),
    "access token": TokenAccount(),
    "access token of FedRAMP": TokenAccount(is_fedramp=True),
}


@pytest.mark.parametrize("login", CHATGPT_LOGINS.values(), ids=CHATGPT_LOGINS)
def test_login_serves_a_turn_as_without_the_shim(
    user: CodexHome, models: bytes, cleanup: list[Newcomer], login: Account
) -> None:
    login.write(user.codex_home)
    with ChatGptBackend(login, models) as backend:
        someone = with_services(user, backend, "CODEX_SHIM_CHATGPT_BASE_URL")
        cleanup.append(someone)
        if login.names_account:
            someone.home.configure(backend.base_url, MODEL, requires_openai_auth=True)
            backend.play(scenarios.text("without the shim"))
            assert someone.home.exec("hello").messages == ["without the shim"]
        backend.play(scenarios.text("through the shim"))
        someone.ok("model", "use", MODEL)
        assert "requires_openai_auth = true" in someone.config.read_text()
        run = someone.home.exec("hello")
    assert run.messages == ["through the shim"], run.errors
    assert backend.refused == []
    assert all(value in repr(backend.turns[-1]) for value in login.headers.values() if value)


def test_agent_identity_is_sent_as_codex_signed_it(
    user: CodexHome, models: bytes, cleanup: list[Newcomer]
) -> None:
    login = AgentAccount()
    login.write(user.codex_home)
    with AgentBackend(login, models) as backend:
        someone = with_services(user, backend, "CODEX_SHIM_CHATGPT_BASE_URL")
        cleanup.append(someone)
        someone.home.configure(backend.base_url, MODEL, requires_openai_auth=True)
        backend.play(scenarios.text("without the shim"))
        assert someone.home.exec("hello").messages == ["without the shim"]
        backend.play(scenarios.text("through the shim"))
        someone.ok("model", "use", MODEL)
        run = someone.home.exec("hello")
    assert run.messages == ["through the shim"], run.errors
    assert backend.refused == []
    assert "agent identity in" in someone.ok("doctor")


def tools_of(request: Request) -> str:
    body = decoded_body(request)
    items = body["input"]
    assert isinstance(items, list)
    return json.dumps([item["tools"] for item in items if item["type"] == "additional_tools"])


def test_api_key_goes_to_the_api_and_nowhere_else(
    user: CodexHome, models: bytes, cleanup: list[Newcomer]
) -> None:
    login = KeyAccount()
    login.write(user.codex_home)
    with ApiBackend(login, models) as api:
        someone = with_services(user, api, "CODEX_SHIM_OPENAI_BASE_URL")
        cleanup.append(someone)
        built_in = {
            "model": MODEL,
            "openai_base_url": api.base_url,
            "analytics": {"enabled": False},
        }
        someone.config.write_text(tomlkit.dumps(built_in))
        api.play(scenarios.text("without the shim"))
        assert someone.home.exec("hello").messages == ["without the shim"]
        someone.config.write_bytes(OWN)
        api.play(scenarios.text("through the shim"))
        someone.ok("model", "use", MODEL)
        run = someone.home.exec("hello")
    assert run.messages == ["through the shim"], run.errors
    without, through = (tools_of(one) for one in api.turns)
    assert through == without
    assert "web.run" in through
    assert [one for one, _ in api.refused if one.method == "POST"] == []
    assert "(OpenAI, API key, " in someone.ok("list")


def test_region_of_a_workspace_is_sent_with_its_turns(
    user: CodexHome, models: bytes, cleanup: list[Newcomer]
) -> None:
    login = RegionAccount(claims={"chatgpt_plan_type": "team"})
    login.write(user.codex_home)
    with ChatGptBackend(login, models) as backend:
        someone = with_services(user, backend, "CODEX_SHIM_CHATGPT_BASE_URL")
        cleanup.append(someone)
        backend.play(scenarios.text("through the shim"))
        someone.ok("model", "use", MODEL)
        run = someone.home.exec("hello")
    assert run.messages == ["through the shim"], run.errors
    assert backend.turns[-1].header("x-openai-account-routing-override") == "us_cr"
