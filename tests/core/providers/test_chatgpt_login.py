"""The login that is sent with a turn, and the handling of a refused one."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem
from addons.core.headers import Headers
from addons.core.providers.chatgpt import API_METHODS, PLACEHOLDERS, ChatGPTProvider, Credential
from addons.core.routes import Route
from addons.core.secrets import Origin, Secret
from addons.core.turn import Head, Relay, Send
from tests.core.providers.chatgpt_turns import (
    CODEX,
    FILE,
    FROM_FILE,
    NEWER,
    OWN,
    OWN_TOKEN,
    SDK,
    Logins,
    answer,
    no_login,
    plan_of,
    request,
    sent,
    sent_request,
)

FROM_CLIENT = {b"authorization": OWN_TOKEN.encode(), b"chatgpt-account-id": b"own-account"}
BEARER_ONLY = {b"authorization": OWN[b"authorization"]}
DUMMY = {b"authorization": PLACEHOLDERS[0], b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
ACCOUNT_ONLY = {b"chatgpt-account-id": OWN[b"chatgpt-account-id"]}
NO_FILE, EXPIRED = no_login(), no_login(LoginKind.EXPIRED)
CHANGED, OFF = no_login(LoginKind.CHANGED), no_login(LoginKind.DISABLED)
ONLY_BEARER = {b"authorization": OWN_TOKEN.encode()}


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


PAT = Login(Secret("at-1"), method=LoginMethod.ACCESS_TOKEN)
OWNED = replace(PAT, account_id=Secret("file-account"))
KEY = Login(Secret("key-1"), method=LoginMethod.API_KEY)
REGION = replace(
    FILE,
    is_fedramp=True,
    routing_override="us_cr",
    backend=Origin("https", "eu.chatgpt.com", 443),
)


@pytest.mark.parametrize(
    ("found", "own", "bearer"),
    [
        (PAT, OWN, OWN_TOKEN.encode()),
        (PAT, BEARER_ONLY, b"Bearer at-1"),
        (PAT, {}, b"Bearer at-1"),
        (OWNED, OWN, b"Bearer at-1"),
    ],
)
def test_client_that_knows_the_account_of_a_token_sends_its_own_login(
    found: Login, own: dict[bytes, Secret], bearer: bytes
) -> None:
    step = plan_of(request(CODEX, credentials=own), Logins(found)).start()
    assert sent(sent_request(step).secrets)[b"authorization"] == bearer


def test_login_of_another_kind_is_not_sent() -> None:
    status, code, message = answer(plan_of(request(SDK), Logins(KEY)).start())
    assert (status, code) == (401, "login_changed")
    assert "API key" in message
    assert "codex-shim enable" in message


@pytest.mark.parametrize("credential", ["auth_json", "client"])
def test_chatgpt_login_of_the_client_is_not_sent_to_the_api(credential: Credential) -> None:
    settings = ChatGPTProvider(Logins(KEY), credential=credential, methods=API_METHODS)
    turn = request(credentials=OWN)
    route = Route("gpt-x", "GPT X", "openai", "gpt-x", {}, settings.plan)
    step = route.make_plan(turn, route).start()
    assert sent(sent_request(step).secrets) == {b"authorization": b"Bearer key-1"}


def test_login_with_a_region_goes_to_its_own_backend_with_its_marks() -> None:
    doubled = (
        *CODEX,
        (b"X-OpenAI-Fedramp", b"true"),
        (b"X_OpenAI_Account_Routing_Override", b"us"),
    )
    turn = sent_request(plan_of(request(doubled), Logins(REGION)).start())
    assert str(turn.origin) == "https://eu.chatgpt.com"
    assert {header.bound_to for header in turn.secrets} == {turn.origin}
    assert turn.headers[-2:] == REGION.headers
    names = [name.lower().replace(b"_", b"-") for name, _ in turn.headers]
    assert len(names) == len(set(names))


def test_marks_of_the_client_pass_with_a_login_without_any() -> None:
    marks = ((b"x-openai-internal-codex-residency", b"us"), (b"x-openai-fedramp", b"true"))
    turn = sent_request(plan_of(request((*CODEX, *marks)), Logins(FILE)).start())
    assert set(marks) <= set(turn.headers)


def test_newer_login_moves_to_its_own_backend() -> None:
    plan = plan_of(request(), Logins(FILE, replace(REGION, access_token=Secret("newer-token"))))
    plan.start()
    again = sent_request(plan.on_head(Head(401, ())))
    assert str(again.origin) == "https://eu.chatgpt.com"
    assert {header.bound_to for header in again.secrets} == {again.origin}
    assert again.headers[-2:] == REGION.headers


def test_marks_of_the_refused_login_are_not_sent_with_the_newer_one() -> None:
    plan = plan_of(request(), Logins(replace(REGION, backend=None), NEWER))
    first = sent_request(plan.start())
    again = sent_request(plan.on_head(Head(401, ())))
    assert again.headers == first.headers[:-2]


def test_newer_login_of_another_kind_is_not_tried() -> None:
    plan = plan_of(request(), Logins(FILE, KEY))
    plan.start()
    assert isinstance(plan.on_head(Head(401, ())), Relay)


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


def test_body_of_a_held_turn_is_read_once() -> None:
    """A turn is held by looking again and again: each look would decompress and parse megabytes."""
    item = {"type": "reasoning", "id": "rs_shim_1", "summary": []}
    turn = request(body=orjson.dumps({"model": "gpt-x", "input": [item]}))
    waits = [0.05, 0.05, 0.0]
    provider = ChatGPTProvider(Logins(), hold=lambda _: waits.pop(0))
    plan = provider.plan(turn, Route("gpt-x", "GPT X", "chatgpt", "gpt-x", {}, provider.plan))
    step = plan.start()
    while isinstance(step, Send) and step.decide:
        step = step.decide()
    assert waits == []
    assert b"rs_shim_1" not in sent_request(step).body
    assert turn.notes.dropped == ["input[0]: reasoning of another upstream"]
