"""The login that a client sends itself, with every login of the file, setting, route and kind of request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem
from addons.core.providers.chatgpt import (
    API_BASE_URL,
    API_METHODS,
    CHATGPT_METHODS,
    DEFAULT_BASE,
    BaseUrl,
    ChatGPTProvider,
    Credential,
    parse_base_url,
)
from addons.core.providers.chatgpt_endpoints import plan_endpoint
from addons.core.providers.client_login import is_for
from addons.core.routes import Route
from addons.core.secrets import Secret
from addons.core.turn import ClientRequest, Plan, Send, Step
from tests.core.providers.chatgpt_turns import (
    CODEX,
    FILE,
    SDK,
    Logins,
    answer,
    no_login,
    request,
    sent_request,
)
from tests.fakes.account import fabricated_jwt

JWT = fabricated_jwt("own-account")
CHATGPT_FORMS = (f"Bearer {JWT}", f"bearer  {JWT}", "Bearer at-own", "AgentAssertion c2lnbmVk")
KEYS = ("Bearer sk-own", "Bearer sk-own.a.b", "Bearer sk-proj-own", "Bearer sk-svcacct-fedramp-own")
UNKNOWN = ("Bearer own-key", "Bearer cr_own", "Bearer own.key")
NOWHERE = ("Bearer", "Bearer ", "Basic b3duOm93bg==", JWT, "Bearer a b", "sk-own", "Bearer a.b.c")
KEY = Login(Secret("file-key"), method=LoginMethod.API_KEY)
PAT = Login(Secret("at-file"), method=LoginMethod.ACCESS_TOKEN)
FOUND: list[Login | LoginProblem] = [FILE, KEY, PAT, *(no_login(kind) for kind in LoginKind)]
ACCOUNT = {b"chatgpt-account-id": Secret("own-account")}


def turn_of(provider: ChatGPTProvider, asked: ClientRequest) -> Plan:
    route = Route("gpt-x", "GPT X", "chatgpt", "gpt-x", {}, provider.plan)
    return route.make_plan(asked, route)


PLANS: list[tuple[str, Callable[[ChatGPTProvider, ClientRequest], Plan]]] = [
    ("/v1/responses", turn_of),
    ("/v1/alpha/search", plan_endpoint),
]


@pytest.mark.parametrize("text", CHATGPT_FORMS)
def test_token_or_signature_is_for_chatgpt_only(text: str) -> None:
    assert is_for(Secret(text), chatgpt=True)
    assert not is_for(Secret(text), chatgpt=False)


@pytest.mark.parametrize("text", [*KEYS[:1], *KEYS[2:], *UNKNOWN])
def test_key_or_unknown_form_is_for_the_api_only(text: str) -> None:
    assert is_for(Secret(text), chatgpt=False)
    assert not is_for(Secret(text), chatgpt=True)


@pytest.mark.parametrize("text", [*NOWHERE, KEYS[1]])
def test_other_values_are_for_neither(text: str) -> None:
    assert not is_for(Secret(text), chatgpt=True)
    assert not is_for(Secret(text), chatgpt=False)


CREDENTIALS: tuple[Credential, ...] = ("auth_json", "client")


def each_turn(
    own: str, base: BaseUrl, methods: frozenset[LoginMethod]
) -> Iterator[tuple[Login | LoginProblem, ClientRequest, Step]]:
    """Yield every login of the file with every request that carries `own`, and the first step of its plan."""
    for found, credential in product(FOUND, CREDENTIALS):
        provider = ChatGPTProvider(Logins(found), base, credential, methods=methods)
        for account, headers, (path, plan) in product(({}, ACCOUNT), (CODEX, SDK), PLANS):
            credentials = {b"authorization": Secret(own), **account}
            asked = request(headers, path=path, credentials=credentials)
            yield found, asked, plan(provider, asked).start()


@pytest.mark.parametrize("own", [*KEYS, *UNKNOWN, *NOWHERE])
def test_key_of_a_client_never_goes_to_chatgpt(own: str) -> None:
    for found, asked, step in each_turn(own, DEFAULT_BASE, CHATGPT_METHODS):
        if isinstance(found, Login) and found.method in CHATGPT_METHODS:
            first = sent_request(step).secrets[0]
            assert first.secret is found.access_token
        else:
            kind = found.kind if isinstance(found, LoginProblem) else LoginKind.CHANGED
            is_turn_of_codex = asked.expects_stream
            code = "invalid_prompt" if is_turn_of_codex else f"login_{kind}"
            assert answer(step)[:2] == (200 if is_turn_of_codex else 401, code)


@pytest.mark.parametrize("own", [*CHATGPT_FORMS, *NOWHERE])
def test_token_of_a_client_never_goes_to_the_api(own: str) -> None:
    for found, _, step in each_turn(own, parse_base_url(API_BASE_URL), API_METHODS):
        if found is KEY:
            assert [one.secret for one in sent_request(step).secrets] == [KEY.access_token]
        else:
            assert not isinstance(step, Send), found


@pytest.mark.parametrize("kind", sorted(set(LoginKind)))
@pytest.mark.parametrize("own", CHATGPT_FORMS)
def test_login_of_codex_with_its_account_goes_to_chatgpt(own: str, kind: LoginKind) -> None:
    provider = ChatGPTProvider(Logins(no_login(kind)))
    for path, plan in PLANS:
        credentials = {b"authorization": Secret(own), **ACCOUNT}
        step = plan(provider, request(path=path, credentials=credentials)).start()
        if kind in {LoginKind.DISABLED, LoginKind.PROXY_UNUSABLE, LoginKind.API_BASE}:
            assert not isinstance(step, Send)
        else:
            sent = sent_request(step)
            assert sent.origin == DEFAULT_BASE.origin
            assert {one.name: one.secret for one in sent.secrets} == credentials


@pytest.mark.parametrize("path_and_plan", PLANS)
def test_key_of_codex_goes_to_the_api_after_a_logout(
    path_and_plan: tuple[str, Callable[[ChatGPTProvider, ClientRequest], Plan]],
) -> None:
    path, plan = path_and_plan
    base = parse_base_url(API_BASE_URL)
    provider = ChatGPTProvider(Logins(no_login()), base, methods=API_METHODS)
    credentials = {b"authorization": Secret("Bearer sk-own")}
    sent = sent_request(plan(provider, request(path=path, credentials=credentials)).start())
    assert {one.bound_to for one in sent.secrets} == {base.origin}


@pytest.mark.parametrize("chatgpt", [False, True])
def test_blanks_take_linear_time(chatgpt: bool) -> None:
    """In quadratic time this would exceed the time limit of a test by far."""
    assert not is_for(Secret("Bearer" + " " * 2_000_000 + "\x01"), chatgpt=chatgpt)
