"""The routes of each kind of login: their service, their names and their problems."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from addons.core.secrets import Secret
from addons.core.turn import Answer, ClientRequest, Head, Send
from tests.adapters.homes import Home, live
from tests.fakes.account import Account
from tests.fakes.logins import AgentAccount, KeyAccount, TokenAccount

TURN = ClientRequest("POST", "/v1/responses", (), b'{"model":"gpt-5.5"}')


@pytest.mark.parametrize(
    ("login", "name", "service", "origin"),
    [
        (Account(), "ChatGPT login", "chatgpt", "https://chatgpt.com"),
        (TokenAccount(), "personal access token", "chatgpt", "https://chatgpt.com"),
        (AgentAccount(), "agent identity", "chatgpt", "https://chatgpt.com"),
        (KeyAccount(), "API key", "openai", "https://api.openai.com"),
        (
            KeyAccount(access_token="sk-proj-fedramp-x"),
            "API key",
            "openai",
            "https://gov.api.openai.com",
        ),
    ],
)
def test_each_kind_of_login_has_its_service(
    home: Home, login: Account, name: str, service: str, origin: str
) -> None:
    home.log_in(login)
    sources = home.open()
    assert sources.account.login_name == name
    found, to = sources.account.service
    assert (found, str(to)) == (service, origin)
    assert live(sources) == ["gpt-5.5", "gpt-6-sol"]
    assert {route.provider for route in sources.table().live} == {service}
    assert sources.login_problem is None


def test_models_of_an_account_share_its_limits(home: Home) -> None:
    """CLIProxyAPI#5286: the other models of a used-up account were asked as well."""
    home.log_in(Account())
    circuits = {id(route.circuit) for route in home.open().table().live}
    assert len(circuits) == 1


def test_turn_with_an_api_key_goes_to_the_api(home: Home) -> None:
    home.log_in(KeyAccount())
    route = home.open().table().routes["gpt-5.5"]
    step = route.make_plan(TURN, route).start()
    assert isinstance(step, Send)
    assert (str(step.request.origin), step.request.path) == (
        "https://api.openai.com",
        "/v1/responses",
    )


def test_api_can_be_named(home: Home) -> None:
    home.env = {**home.env, "CODEX_SHIM_OPENAI_BASE_URL": "https://gateway.example/openai/v1"}
    home.log_in(KeyAccount(access_token="sk-proj-fedramp-x"))
    _, origin = home.open().account.service
    assert str(origin) == "https://gateway.example"


def test_unusable_name_of_the_api_is_an_error(home: Home) -> None:
    home.env = {**home.env, "CODEX_SHIM_OPENAI_BASE_URL": "http://api.example/v1"}
    with pytest.raises(ValueError, match="CODEX_SHIM_OPENAI_BASE_URL must be https"):
        home.open()


def sent_to(home: Home) -> tuple[str, str]:
    route = home.open().table().routes["gpt-5.5"]
    step = route.make_plan(TURN, route).start()
    assert isinstance(step, Send)
    assert {one.bound_to for one in step.request.secrets} == {step.request.origin}
    return str(step.request.origin), step.request.path


def test_key_goes_where_codex_sends_it(home: Home) -> None:
    home.log_in(KeyAccount(access_token="gateway-key"))
    (home.codex / "config.toml").write_text('openai_base_url = "https://gateway.example/x/v1/"\n')
    assert sent_to(home) == ("https://gateway.example", "/x/v1/responses")
    assert str(home.open().account.service[1]) == "https://gateway.example"
    home.env = {**home.env, "CODEX_SHIM_OPENAI_BASE_URL": "https://other.example/v1"}
    assert sent_to(home) == ("https://other.example", "/v1/responses")


def test_change_of_the_address_takes_effect_at_once(home: Home) -> None:
    home.log_in(KeyAccount())
    config = home.codex / "config.toml"
    config.write_text('openai_base_url = "https://gateway.example/a"\n')
    route = home.open().table().routes["gpt-5.5"]
    config.write_text('openai_base_url = "https://gateway.example/second"\n')
    step = route.make_plan(TURN, route).start()
    assert isinstance(step, Send)
    assert step.request.path == "/second/responses"


@pytest.mark.parametrize(
    "value",
    ['"http://gateway.example/v1"', '"ftp://x"', "7", "[]", '"http://127.0.0.1:8765/v1"',
     '"https://user:hush@gateway.example"', '"http://localhost:8765"'],
)  # fmt: skip
def test_unusable_address_of_the_api_keeps_the_key(home: Home, value: str) -> None:
    home.log_in(KeyAccount())
    (home.codex / "config.toml").write_text(f"openai_base_url = {value}\n")
    sources = home.open()
    assert "gpt-5.5" not in live(sources)
    problem = sources.login_problem
    assert problem
    assert problem.kind == "api_base"
    assert "openai_base_url" in problem.message
    assert "hush" not in problem.message
    route = sources.table().routes["gpt-5.5"]
    own = {b"authorization": Secret("Bearer sk-own")}
    codex = replace(TURN, headers=((b"originator", b"codex_exec"),), credentials=own)
    for turn in (TURN, codex):
        assert isinstance(route.make_plan(turn, route).start(), Answer)


def test_address_of_the_api_means_nothing_to_a_chatgpt_login(home: Home) -> None:
    home.log_in(Account())
    (home.codex / "config.toml").write_text('openai_base_url = "http://127.0.0.1:8765/v1"\n')
    assert sent_to(home)[0] == "https://chatgpt.com"


@pytest.mark.parametrize("is_first", [True, False])
def test_newer_key_goes_to_its_own_address(home: Home, is_first: bool) -> None:
    keys = [KeyAccount(), KeyAccount(access_token="sk-proj-fedramp-x")]
    first, second = keys if is_first else reversed(keys)
    home.log_in(first)
    route = home.open().table().routes["gpt-5.5"]
    plan = route.make_plan(TURN, route)
    plan.start()
    home.log_in(second)
    step = plan.on_head(Head(401, ()))
    assert isinstance(step, Send)
    named = "https://gov.api.openai.com" if is_first else "https://api.openai.com"
    assert str(step.request.origin) == named
    assert {one.bound_to for one in step.request.secrets} == {step.request.origin}


def test_models_that_the_api_does_not_serve_are_left_out(home: Home) -> None:
    home.log_in(KeyAccount())
    sources = home.open()
    (home.codex / "models_cache.json").write_text(
        '{"models":[{"slug":"only-chatgpt","supported_in_api":false},{"slug":"both"}]}'
    )
    sources.catalog.load()
    assert live(sources) == ["both"]
    home.log_in(Account())
    assert live(sources) == ["only-chatgpt", "both"]


def test_key_never_goes_to_chatgpt_when_the_login_changes(home: Home) -> None:
    home.log_in(Account())
    sources = home.open()
    route = sources.table().routes["gpt-5.5"]
    home.log_in(KeyAccount())
    step = route.make_plan(TURN, route).start()
    assert isinstance(step, Answer)
    assert b"codex-shim enable" in step.reply.body


def test_agent_identity_cannot_sign_for_other_clients(home: Home) -> None:
    home.log_in(AgentAccount())
    route = home.open().table().routes["gpt-5.5"]
    step = route.make_plan(TURN, route).start()
    assert isinstance(step, Answer)
    assert step.reply.head.status == 401
    assert b"only Codex can sign" in step.reply.body


def test_api_key_asks_no_service_about_an_account(home: Home) -> None:
    home.env = {**home.env, "CODEX_SHIM_CHATGPT_BASE_URL": "http://127.0.0.1:9/codex"}
    home.log_in(KeyAccount())
    sources = home.open()
    asyncio.run(sources.refresh())
    assert sources.catalog.error == ""


def test_unknown_region_is_logged_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.env = {**home.env, "CODEX_SHIM_CHATGPT_BASE_URL": "http://127.0.0.1:9/codex"}
    home.log_in(Account(claims={"chatgpt_plan_type": "team"}))
    account = home.open().account
    for _ in range(2):
        asyncio.run(account.refresh())
    assert account.details.error
    assert caplog.text.count("the region or the owner of the login is unknown") == 1


@pytest.mark.parametrize(
    ("error", "command"),
    [
        ("x rejected the login (401). Run `codex login` to renew it", "`codex login`"),
        ("x could not be reached (ConnectError)", "`codex-shim restart`"),
    ],
)
def test_failed_question_about_the_account_is_a_problem_with_a_command(
    home: Home, error: str, command: str
) -> None:
    sources = home.open()
    before = len(sources.problems)
    assert before == 0
    sources.account.details.error = error
    [problem] = sources.problems
    assert error in problem
    assert command in problem
    assert problem.count("`") == 2
