"""What OpenAI says of an account: the owner of an access token, and the region of a workspace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.core.codex.login import Login, LoginMethod
from addons.core.codex.routing import AccountRouting, is_part_of, read_routing, read_whoami
from addons.core.secrets import Origin, Secret

TOKEN = Login(Secret("at-1"), method=LoginMethod.ACCESS_TOKEN)
LOGIN = Login(Secret("t"), Secret("acct-1"))
WHOAMI = {
    "email": None,
    "chatgpt_user_id": "user-1",
    "chatgpt_account_id": "acct-0123456789-9f3c",
    "chatgpt_plan_type": "enterprise",
    "chatgpt_account_is_fedramp": True,
}
ENTRY = {
    "id": "acct-1",
    "account_routing_override": "us_cr",
    "workspace_backend_origin": "https://eu.chatgpt.com",
}
ROUTED = AccountRouting("us_cr", "https://eu.chatgpt.com")


def test_access_token_gets_its_account() -> None:
    found = read_whoami(WHOAMI, TOKEN)
    assert found.account_id
    assert found.account_id.matches(Secret("acct-0123456789-9f3c"))
    assert (found.account_hint, found.plan_type, found.is_fedramp) == ("9f3c", "enterprise", True)
    assert not found.lacks_account


@pytest.mark.parametrize("account", [None, "", "a b", "a\r\nx: y", 7])
def test_unusable_account_leaves_the_login_as_it_is(account: object) -> None:
    assert read_whoami({**WHOAMI, "chatgpt_account_id": account}, TOKEN) is TOKEN


@pytest.mark.parametrize(
    "accounts",
    [
        [{"id": "acct-0"}, ENTRY],
        {"acct-1": {"account": ENTRY}},
        [{**ENTRY, "id": None, "account_id": "acct-1"}],
        [None, "x", ENTRY],
    ],
)
def test_routing_is_that_of_the_logins_account(accounts: object) -> None:
    assert read_routing({"accounts": accounts}, LOGIN) == ROUTED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"account_routing_override": "NO_CONSTRAINT"}, AccountRouting("", ROUTED.origin)),
        ({"account_routing_override": "us\r\nx: y"}, AccountRouting("", ROUTED.origin)),
        ({"account_routing_override": None}, AccountRouting("", ROUTED.origin)),
        ({"workspace_backend_origin": "NO_CONSTRAINT"}, AccountRouting("us_cr")),
        ({"workspace_backend_origin": None}, AccountRouting("us_cr")),
        ({"id": "acct-2"}, AccountRouting()),
    ],
)
def test_account_without_a_constraint_has_no_routing(
    change: dict[str, object], expected: AccountRouting
) -> None:
    assert read_routing({"accounts": [{**ENTRY, **change}]}, LOGIN) == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["accounts", "account", "id", *ENTRY]), inner)
    ),
    max_leaves=9,
)


@given(values)
def test_any_answer_gives_a_routing(accounts: object) -> None:
    found = read_routing({"accounts": accounts}, LOGIN)
    assert found.override.isprintable()


OWN = Origin.of("https://chatgpt.com")


@pytest.mark.parametrize("named", ["https://eu.chatgpt.com", "https://a.b-1.chatgpt.com:443/x"])
def test_backend_below_the_usual_one_is_part_of_it(named: str) -> None:
    assert is_part_of(Origin.of(named), OWN)


@pytest.mark.parametrize(
    "host", [".chatgpt.com", "a b.chatgpt.com", "a..chatgpt.com", "evil.example#.chatgpt.com", "\xe9.chatgpt.com",
             "a_b.chatgpt.com", "a%2e.chatgpt.com", "chatgpt.com", "evilchatgpt.com", "a.chatgpt.com\n", "127.0.0.1"]
)  # fmt: skip
def test_other_host_is_not_part_of_it(host: str) -> None:
    assert not is_part_of(Origin("https", host, 443), OWN)


@pytest.mark.parametrize("named", ["http://eu.chatgpt.com", "https://eu.chatgpt.com:8443"])
def test_other_scheme_or_port_is_not_part_of_it(named: str) -> None:
    assert not is_part_of(Origin.of(named), OWN)


def test_local_backend_may_name_another_port() -> None:
    assert is_part_of(Origin.of("http://127.0.0.1:7"), Origin.of("http://localhost:9"))
