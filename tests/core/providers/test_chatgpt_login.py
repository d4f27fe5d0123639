"""The login that is sent with a turn, and the handling of a refused one."""

from __future__ import annotations

import pytest

from addons.core.codex.login import Login, LoginKind, LoginProblem
from addons.core.headers import Headers
from addons.core.providers.chatgpt import PLACEHOLDERS, ChatGPTProvider, Credential
from addons.core.secrets import Secret
from addons.core.turn import Head, Relay, Send
from tests.core.providers.chatgpt_turns import (
    CODEX,
    FILE,
    FROM_FILE,
    NEWER,
    OWN,
    SDK,
    Logins,
    answer,
    no_login,
    plan_of,
    request,
    sent,
    sent_request,
)

FROM_CLIENT = {b"authorization": b"Bearer own-token", b"chatgpt-account-id": b"own-account"}
BEARER_ONLY = {b"authorization": OWN[b"authorization"]}
DUMMY = {b"authorization": PLACEHOLDERS[0], b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
ACCOUNT_ONLY = {b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
NO_FILE, EXPIRED = no_login(), no_login(LoginKind.EXPIRED)
CHANGED, OFF = no_login(LoginKind.CHANGED), no_login(LoginKind.DISABLED)
ONLY_BEARER = {b"authorization": b"Bearer own-token"}


@pytest.mark.parametrize(
    ("credential", "found", "headers", "own", "expected"),
    [
        ("auth_json", FILE, CODEX, {}, FROM_FILE),
        ("auth_json", FILE, CODEX, OWN, FROM_FILE),
        ("auth_json", NO_FILE, CODEX, OWN, FROM_CLIENT),
        ("auth_json", NO_FILE, SDK, OWN, FROM_CLIENT),
        ("auth_json", EXPIRED, CODEX, OWN, FROM_CLIENT),
        ("auth_json", NO_FILE, CODEX, BEARER_ONLY, ONLY_BEARER),
        ("auth_json", NO_FILE, SDK, BEARER_ONLY, None),
        ("auth_json", NO_FILE, CODEX, DUMMY, None),
        ("auth_json", NO_FILE, CODEX, ACCOUNT_ONLY, None),
        ("auth_json", NO_FILE, CODEX, {}, None),
        ("auth_json", CHANGED, CODEX, BEARER_ONLY, None),
        ("auth_json", CHANGED, CODEX, OWN, FROM_CLIENT),
        ("auth_json", OFF, CODEX, OWN, None),
        ("client", FILE, CODEX, OWN, FROM_CLIENT),
        ("client", FILE, CODEX, BEARER_ONLY, ONLY_BEARER),
        ("client", FILE, CODEX, {}, FROM_FILE),
        ("client", FILE, CODEX, DUMMY, FROM_FILE),
        ("client", FILE, SDK, BEARER_ONLY, FROM_FILE),
        ("client", NO_FILE, CODEX, OWN, FROM_CLIENT),
        ("client", NO_FILE, CODEX, {}, None),
        ("client", OFF, CODEX, OWN, None),
    ],
)
def test_which_credential_is_sent(
    credential: Credential,
    found: Login | LoginProblem,
    headers: Headers,
    own: dict[bytes, Secret],
    expected: dict[bytes, bytes] | None,
) -> None:
    step = plan_of(request(headers, credentials=own), Logins(found), credential=credential).start()
    assert (sent(step.request.secrets) if isinstance(step, Send) else None) == expected


def test_local_token_is_never_a_login() -> None:
    token = Secret("Bearer local-token")
    settings = ChatGPTProvider(Logins(no_login()), placeholders=(*PLACEHOLDERS, token))
    assert settings.client_credential(request(credentials={b"authorization": token})) == ()


@pytest.mark.parametrize("kind", list(LoginKind))
def test_missing_login_is_reported_with_its_message(kind: LoginKind) -> None:
    to_codex = answer(plan_of(request(CODEX), Logins(no_login(kind))).start())
    assert to_codex == (200, "invalid_prompt", no_login().message)
    to_sdk = answer(plan_of(request(SDK), Logins(no_login(kind))).start())
    assert to_sdk == (401, f"login_{kind}", no_login().message)


REFUSED = Head(401, ((b"content-type", b"application/json"),))


def test_refused_token_is_replaced_once_by_a_newer_one() -> None:
    logins = Logins(FILE, NEWER)
    plan = plan_of(request(), logins)
    first = sent_request(plan.start())
    second = sent_request(plan.on_head(REFUSED))
    assert sent(second.secrets) == {**FROM_FILE, b"authorization": b"Bearer newer-token"}
    assert (second.path, second.headers, second.body) == (first.path, first.headers, first.body)
    assert isinstance(plan.on_head(REFUSED), Relay)
    assert logins.rereads == [1]


@pytest.mark.parametrize("then", [FILE, no_login(), no_login(LoginKind.EXPIRED)])
def test_refusal_without_a_newer_token_is_passed_on(then: Login | LoginProblem) -> None:
    plan = plan_of(request(), Logins(FILE, then))
    plan.start()
    step = plan.on_head(REFUSED)
    assert isinstance(step, Relay)
    assert step.head.status == 401


def test_refusal_of_the_clients_own_token_is_passed_on() -> None:
    logins = Logins(no_login(), NEWER)
    plan = plan_of(request(credentials=OWN), logins)
    plan.start()
    assert isinstance(plan.on_head(REFUSED), Relay)
    assert logins.rereads == []
