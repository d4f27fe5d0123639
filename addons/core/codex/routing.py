"""Reads what OpenAI says of an account: who owns a personal access token, and where a workspace's turns go.

Never does: send a request. Invariant: what is returned fits a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from addons.core.codex.auth_json import account_hint, fits_a_header
from addons.core.codex.login import Login
from addons.core.secrets import Origin, Secret

NO_CONSTRAINT = "NO_CONSTRAINT"
_OVERRIDE = re.compile(r"[a-z][a-z_]{0,15}")
"""`us` and `us_cr` are the values that Codex 0.171 sends."""

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class AccountRouting:
    """Where the turns of an account go."""

    override: str = ""
    """The value of `x-openai-account-routing-override`; empty for no header."""
    origin: str = ""
    """The origin that serves the account, as the backend names it; empty for the usual one."""


def read_whoami(answer: Mapping[str, object], login: Login) -> Login:
    """Return the login with the account of its personal access token; unchanged if the answer names none."""
    account, plan = answer.get("chatgpt_account_id"), answer.get("chatgpt_plan_type")
    if not fits_a_header(account):
        return login
    return replace(
        login,
        account_id=Secret(str(account)),
        account_hint=account_hint(account),
        plan_type=str(plan) if fits_a_header(plan) else None,
        is_fedramp=answer.get("chatgpt_account_is_fedramp") is True,
    )


def read_routing(answer: Mapping[str, object], login: Login) -> AccountRouting:
    """Return the routing of the login's account in an answer of `accounts/check`; empty if it is not listed."""
    for account in _accounts(answer.get("accounts")):
        name = account.get("id") or account.get("account_id")
        if login.account_id and isinstance(name, str) and login.account_id.matches(Secret(name)):
            override, origin = (
                account.get(key) for key in ("account_routing_override", "workspace_backend_origin")
            )
            return AccountRouting(_override(override), _origin(origin))
    return AccountRouting()


def is_part_of(named: Origin, own: Origin) -> bool:
    """Return whether a backend that `own` named is a host below it, or on this machine like it."""
    if own.is_loopback and named.is_loopback:
        return True
    is_below = _HOST.fullmatch(named.host) is not None and named.host.endswith(f".{own.host}")
    return named.scheme == "https" and named.port == _HTTPS_PORT and is_below


def _accounts(listed: object) -> Iterable[Mapping[str, object]]:
    """Return the accounts of the answer, which lists them or maps their ids to them."""
    each = listed.values() if isinstance(listed, dict) else listed
    for one in each if isinstance(each, Iterable) and not isinstance(each, str | bytes) else ():
        account = one.get("account", one) if isinstance(one, dict) else None
        if isinstance(account, dict):
            yield account


def _override(value: object) -> str:
    return value if isinstance(value, str) and _OVERRIDE.fullmatch(value) else ""


def _origin(value: object) -> str:
    return value if isinstance(value, str) and value != NO_CONSTRAINT else ""
