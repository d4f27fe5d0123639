"""The login as a value: its headers, its comparison, and the problems in place of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from addons.core.codex.login import (
    Login,
    LoginKind,
    LoginMethod,
    LoginProblem,
    is_login_disabled,
    keyring_problem,
    login_disabled_problem,
    unreadable_problem,
)
from addons.core.secrets import Secret
from tests.core.codex.test_auth_json import PATH, auth_json, login

TOKEN = Login(Secret("at-1"), method=LoginMethod.ACCESS_TOKEN)


@pytest.mark.parametrize(
    ("value", "off"),
    [
        ("1", True),
        ("TRUE", True),
        ("yes", True),
        (" On ", True),
        ("", False),
        ("0", False),
        ("no", False),
        ("2", False),
    ],
)
def test_disable_variable(value: str, off: bool) -> None:
    assert is_login_disabled({"CODEX_SHIM_DISABLE_CHATGPT": value}) is off


def test_login_is_enabled_without_the_variable() -> None:
    assert not is_login_disabled({})


def test_other_problems_name_their_cause() -> None:
    assert "CODEX_SHIM_DISABLE_CHATGPT" in login_disabled_problem().message
    assert "Permission denied" in unreadable_problem(PATH, "Permission denied").message


def test_logins_compare_by_token() -> None:
    first, again, other = (
        login(auth_json(access_token=token)) for token in ("one", "one", "another")
    )
    assert first.same_token(again)
    assert not first.same_token(other)


@pytest.mark.parametrize(
    ("found", "headers"),
    [
        (Login(Secret("t")), ()),
        (Login(Secret("t"), is_fedramp=True), ((b"x-openai-fedramp", b"true"),)),
        (
            Login(Secret("t"), is_fedramp=True, routing_override="us_cr"),
            ((b"x-openai-fedramp", b"true"), (b"x-openai-account-routing-override", b"us_cr")),
        ),
        (Login(Secret("t"), method=LoginMethod.API_KEY, is_fedramp=True), ()),
    ],
)
def test_headers_of_a_login_are_those_of_codex(
    found: Login, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert found.headers == headers


def test_only_an_access_token_without_its_account_lacks_one() -> None:
    assert TOKEN.lacks_account
    assert not replace(TOKEN, account_id=Secret("a")).lacks_account
    assert not Login(Secret("t")).lacks_account


def test_agent_identity_is_with_the_client() -> None:
    assert LoginProblem(LoginKind.AGENT_IDENTITY, "").is_with_client
    assert not LoginProblem(LoginKind.MISSING, "").is_with_client


def test_keyring_problem_names_the_reason_and_the_command() -> None:
    problem = keyring_problem("the library is missing", "pip install it")
    assert "the library is missing. Type `pip install it`, or put" in problem.message
    assert 'cli_auth_credentials_store = "file"' in problem.message
    assert problem.command == "pip install it"
    locked = keyring_problem("it is locked", "")
    assert "codex login" in locked.message
    assert locked.command == "codex login"
