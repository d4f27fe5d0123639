"""Details of an account that its login does not hold, asked from services on loopback."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from addons.adapters.codex.account_details import HOLD_SECONDS, LOOK_SECONDS, AccountDetails
from addons.adapters.codex.api_base import ApiBase
from addons.adapters.codex.backend_models import JsonRequest
from addons.adapters.codex.login_file import UsableLogins
from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem
from addons.core.secrets import Origin, Secret
from addons.core.turn import Head
from tests.adapters.account_models import Backend
from tests.core.codex.test_routing import ENTRY, WHOAMI
from tests.core.providers.chatgpt_turns import Logins, plan_of, request, sent_request

TOKEN = Login(Secret("at-1"), method=LoginMethod.ACCESS_TOKEN)
TEAM = Login(Secret("t"), Secret("acct-1"), plan_type="team")
REGIONAL = Origin("https", "127.0.0.1", 7)
NO_API = ApiBase({"CODEX_SHIM_OPENAI_BASE_URL": "https://127.0.0.1:7"}, frozenset())
ENTRY_WITH_BACKEND = {**ENTRY, "workspace_backend_origin": "https://127.0.0.1:7"}


def details_of(backend: Backend, **env: str) -> AccountDetails:
    root = backend.url.removesuffix("/backend-api/codex")
    return AccountDetails({"CODEX_AUTHAPI_BASE_URL": f"{root}/authapi", **env}, backend.url)


def refreshed(backend: Backend, login: Login, answer: object, **env: str) -> AccountDetails:
    backend.body = orjson.dumps(answer)
    details = details_of(backend, **env)
    asyncio.run(details.refresh(login))
    return details


def test_account_of_an_access_token_is_asked_for(backend: Backend) -> None:
    details = refreshed(backend, TOKEN, {**WHOAMI, "chatgpt_plan_type": "plus"})
    found = details.complete(TOKEN)
    assert found.account_id
    assert found.account_id.matches(Secret("acct-0123456789-9f3c"))
    [(path, headers)] = backend.requests
    assert path == "/authapi/v1/user-auth-credential/whoami"
    assert headers["authorization"] == "Bearer at-1"
    assert "chatgpt-account-id" not in headers
    assert details.error == ""


def test_region_of_a_workspace_is_asked_for(backend: Backend) -> None:
    entry = {**ENTRY, "workspace_backend_origin": "https://127.0.0.1:7"}
    found = refreshed(backend, TEAM, {"accounts": [entry]}).complete(TEAM)
    assert found.routing_override == "us_cr"
    assert found.backend == Origin("https", "127.0.0.1", 7)
    [(path, headers)] = backend.requests
    assert path == "/backend-api/wham/accounts/check"
    assert headers["chatgpt-account-id"] == "acct-1"


@pytest.mark.parametrize("plan", [None, "free", "go", "plus", "pro"])
def test_personal_account_is_asked_for_nothing(backend: Backend, plan: str | None) -> None:
    login = replace(TEAM, plan_type=plan)
    assert refreshed(backend, login, {}).complete(login) is login
    assert backend.requests == []


@pytest.mark.parametrize(
    "named", ["https://evil.example", "http://eu.chatgpt.com", "https://chatgpt.com.evil.example"]
)
def test_foreign_backend_gets_nothing(backend: Backend, named: str) -> None:
    details = refreshed(backend, TEAM, {"accounts": [{**ENTRY, "workspace_backend_origin": named}]})
    assert details.complete(TEAM) is TEAM
    assert "not part of 127.0.0.1" in details.error
    assert "evil" not in details.error


@pytest.mark.parametrize("status", [401, 404, 500])
def test_refusal_leaves_the_login_as_it_is(backend: Backend, status: int) -> None:
    backend.status = status
    details = refreshed(backend, TOKEN, WHOAMI)
    assert details.complete(TOKEN) is TOKEN
    assert str(status) in details.error


@pytest.mark.parametrize("body", [b"[]", b"<html>"])
def test_answer_that_is_no_object_is_an_error(backend: Backend, body: bytes) -> None:
    details = details_of(backend)
    backend.body = body
    asyncio.run(details.refresh(TOKEN))
    assert "is not a JSON object" in details.error
    assert details.complete(TOKEN) is TOKEN


def test_token_is_not_sent_without_encryption(backend: Backend) -> None:
    env = {"CODEX_AUTHAPI_BASE_URL": "http://login.example/api"}
    details = refreshed(backend, TOKEN, WHOAMI, **env)
    assert "must be https" in details.error
    assert backend.requests == []


def test_details_belong_to_one_token(backend: Backend) -> None:
    details = refreshed(backend, TOKEN, WHOAMI)
    again, other = (
        Login(Secret(token), method=LoginMethod.ACCESS_TOKEN) for token in ("at-1", "at-2")
    )
    assert not details.complete(again).lacks_account
    assert details.complete(other) is other
    assert details.complete(details.complete(again)) is details.complete(again)


def test_region_stays_with_the_account_when_the_token_is_refreshed(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    renewed = replace(TEAM, access_token=Secret("renewed"))
    found = details.complete(renewed)
    assert (found.routing_override, found.backend) == ("us_cr", REGIONAL)
    assert found.access_token.matches(Secret("renewed"))
    assert details.complete(renewed) is found
    other = Login(Secret("other"), Secret("acct-2"), plan_type="team")
    assert details.complete(other) is other
    assert details.complete(TEAM).backend == REGIONAL


def test_failed_request_keeps_the_region_of_the_account(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    renewed = replace(TEAM, access_token=Secret("renewed"))
    backend.status = 500
    asyncio.run(details.refresh(renewed))
    assert "500" in details.error
    assert details.complete(renewed).backend == REGIONAL


def test_region_that_ended_is_dropped(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    backend.body = orjson.dumps({"accounts": [{"id": "acct-1"}]})
    asyncio.run(details.refresh(details.complete(TEAM)))
    found = details.complete(TEAM)
    assert (found.routing_override, found.backend) == ("", None)


def test_token_of_a_workspace_keeps_its_region_when_it_is_replaced(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    whoami = {"chatgpt_account_id": "acct-1", "chatgpt_plan_type": "plus"}
    backend.body = orjson.dumps(whoami)
    asyncio.run(details.refresh(TOKEN))
    assert details.complete(TOKEN).backend == REGIONAL


def test_retry_after_a_refusal_stays_at_the_backend_of_the_account(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    renewed = replace(TEAM, access_token=Secret("renewed"))
    plan = plan_of(request(), UsableLogins(Logins(TEAM, renewed), details, NO_API))
    first = sent_request(plan.start())
    again = sent_request(plan.on_head(Head(401, ())))
    assert first.origin == again.origin == REGIONAL
    assert first.headers == again.headers


def test_source_of_logins_gives_the_details(backend: Backend) -> None:
    details = refreshed(backend, TOKEN, WHOAMI)
    logins = UsableLogins(Logins(TOKEN, TOKEN), details, NO_API)
    for found in (logins.current(), logins.reread()):
        assert isinstance(found, Login)
        assert not found.lacks_account
    assert logins.known is None
    problem = LoginProblem(LoginKind.MISSING, "none")
    assert UsableLogins(Logins(problem), details, NO_API).current() is problem


class _Remembered(Logins):
    """A source whose login has expired."""

    @property
    def known(self) -> Login:
        return TOKEN


def test_expired_login_is_still_known(backend: Backend) -> None:
    details = refreshed(backend, TOKEN, WHOAMI)
    problem = LoginProblem(LoginKind.EXPIRED, "late")
    logins = UsableLogins(_Remembered(problem), details, NO_API)
    assert logins.current() is problem
    assert logins.known
    assert not logins.known.lacks_account


# Turns that wait ------------------------------------------------------------------------------------------


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the monotonic time, which a test may change."""
    found = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: found[0])
    return found


@pytest.mark.parametrize(
    ("login", "waits"),
    [
        (TEAM, True),
        (TOKEN, True),
        (replace(TEAM, plan_type="plus"), False),
        (replace(TEAM, plan_type=None, method=LoginMethod.API_KEY), False),
    ],
    ids=["workspace", "access token", "personal", "API key"],
)
def test_turn_waits_for_details_that_may_change_where_it_goes(
    backend: Backend, login: Login, waits: bool
) -> None:
    details = details_of(backend)
    assert details.is_pending(login) is waits
    assert details.hold(login) == (LOOK_SECONDS if waits else 0.0)


@pytest.mark.parametrize("answer", [{"accounts": [ENTRY]}, {"accounts": []}, []])
def test_no_turn_waits_after_the_answer_whatever_it_is(backend: Backend, answer: object) -> None:
    details = refreshed(backend, TEAM, answer)
    assert details.hold(details.complete(TEAM)) == 0.0


def test_new_token_of_a_known_account_does_not_wait(backend: Backend) -> None:
    details = refreshed(backend, TEAM, {"accounts": [ENTRY_WITH_BACKEND]})
    newer = replace(TEAM, access_token=Secret("newer"))
    assert details.hold(newer) == 0.0
    assert details.hold(replace(newer, account_id=Secret("acct-2"))) == LOOK_SECONDS


def test_wait_of_all_turns_of_a_login_ends_together_with_one_warning(
    backend: Backend, now: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    details = details_of(backend)
    assert details.hold(TEAM) == LOOK_SECONDS
    now[0] += HOLD_SECONDS - 0.1
    assert details.hold(TEAM) == LOOK_SECONDS
    assert caplog.messages == []
    now[0] += 0.1
    assert [details.hold(TEAM) for _ in range(3)] == [0.0] * 3
    [warning] = caplog.messages
    assert f"within {HOLD_SECONDS:g} s" in warning
    assert details.hold(replace(TEAM, access_token=Secret("newer"))) == LOOK_SECONDS


async def test_details_are_still_missing_after_a_cancelled_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the end of the shim: a turn that waits must not go to the usual server."""
    has_begun = asyncio.Event()

    async def never(_: JsonRequest) -> bytes:
        has_begun.set()
        return await asyncio.Future[bytes]()

    monkeypatch.setattr(JsonRequest, "send", never)
    details, login = AccountDetails({}, "https://a.example"), TEAM
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(details.refresh(login))
        await has_begun.wait()
        asking.cancel()
    assert details.is_pending(login)
