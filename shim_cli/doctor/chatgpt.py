"""The login of `codex login`: whose, which plan, how long it still holds, and what is known of its models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from addons.core.login import Login, LoginKind, LoginProblem
from addons.core.providers.chatgpt import BASE_URL_VARIABLE
from addons.origins.login_file import login_path
from addons.origins.sources import Sources
from shim_cli.defaults import models
from shim_cli.doctor.finding import Found, Subject
from shim_cli.durations import duration

_CATALOGS: Mapping[str, str] = {
    "account": "from the account",
    "cached": "from the account, as it was last asked",
    "models_cache": "from Codex's own cache",
    "bundled": "from the catalog that Codex carries",
    "fallback": "built in, until the shim has run with the login",
}


def chatgpt(subject: Subject) -> Iterator[Found]:
    """Look at the login as a turn would."""
    sources = subject.sources
    if isinstance(sources, str):
        yield "FAIL", sources, subject.shell.unset(BASE_URL_VARIABLE)
        return
    found = sources.logins.current()
    if isinstance(found, LoginProblem):
        yield _problem(found, subject)
        return
    account = f", account …{found.account_hint}" if found.account_hint else ""
    yield "OK", f"logged in: {login_path(subject.env)}"
    yield "INFO", f"plan {found.plan_type or 'unknown'}{account}, {_expiry(found, time.time())}"
    yield "INFO", _catalog(sources)


def _problem(found: LoginProblem, subject: Subject) -> Found:
    if found.kind is LoginKind.DISABLED:
        return "INFO", found.message
    if found.kind is LoginKind.UNREADABLE:
        return "WARN", found.message, subject.shell.show(str(login_path(subject.env)))
    if found.kind is LoginKind.NO_WAY:
        advice = subject.shell.set_variable("CODEX_SHIM_UPSTREAM_PROXY", "http://HOST:PORT")
        return "WARN", found.message, advice
    return "WARN", found.message, "codex login"


def _expiry(login: Login, now: float) -> str:
    if login.expires_at is None:
        return "the token does not say when it expires"
    return f"the token expires in {duration(login.expires_at - now)}"


def _catalog(sources: Sources) -> str:
    catalog = sources.catalog
    age = catalog.age_seconds
    asked = f", {duration(age)} ago" if age is not None else ""
    return f"{models(len(catalog.entries))}, {_CATALOGS[catalog.status]}{asked}"
