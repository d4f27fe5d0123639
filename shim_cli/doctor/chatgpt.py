"""Section "ChatGPT passthrough": the kind of the login of `codex login`, its plan, its expiry and its models."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from addons.adapters.codex.keyring_entry import KeyringUnusableError
from addons.adapters.codex.login_file import LoginStore, login_path
from addons.adapters.route_sources import RouteSources
from addons.adapters.system.files import FileAccessError
from addons.core.codex.login import Login, LoginKind, LoginMethod, LoginProblem
from addons.core.providers.chatgpt import BASE_URL_VARIABLE
from shim_cli.console.format import duration, model_count
from shim_cli.doctor.finding import CheckResult, DoctorContext

_CATALOGS: Mapping[str, str] = {
    "account": "from the account",
    "cached": "from the account, cached",
    "models_cache": "from Codex's own cache",
    "bundled": "from Codex's bundled catalog",
    "fallback": "built in, until the shim has run with this login",
}


def chatgpt(context: DoctorContext) -> Iterator[CheckResult]:
    """Check the login."""
    sources = context.sources
    if isinstance(sources, str):
        yield "FAIL", sources, context.shell.unset(BASE_URL_VARIABLE)
        return
    login = sources.logins.current()
    if isinstance(login, LoginProblem) and not login.is_with_client:
        yield _problem(login, context)
        return
    _, origin = sources.account.service
    yield "OK", f"{sources.account.login_name} in {_place(context)}"
    if isinstance(login, Login):
        yield "INFO", _account(login)
    else:
        yield "INFO", "Codex signs each of its requests; other clients cannot use this login"
    yield "INFO", f"turns go to {origin}"
    yield "INFO", _catalog(sources)


def _place(context: DoctorContext) -> str:
    store = LoginStore(context.env)
    try:
        store.read()
    except (FileAccessError, KeyringUnusableError):
        return str(store.path)
    return store.name


def _account(login: Login) -> str:
    if login.method is LoginMethod.API_KEY:
        return "each turn is paid by the token, and no ChatGPT plan is used"
    account = f", account …{login.account_hint}" if login.account_hint else ""
    region = f", region {login.routing_override}" if login.routing_override else ""
    fedramp = ", FedRAMP" if login.is_fedramp else ""
    plan = f"plan {login.plan_type or 'unknown'}"
    return f"{plan}{account}{fedramp}{region}, {_expiry(login, time.time())}"


def _problem(problem: LoginProblem, context: DoctorContext) -> CheckResult:
    if problem.kind is LoginKind.DISABLED:
        return "INFO", problem.message
    if problem.kind is LoginKind.UNREADABLE:
        return "WARN", problem.message, context.shell.show(str(login_path(context.env)))
    if problem.kind is LoginKind.PROXY_UNUSABLE:
        advice = context.shell.set_variable("CODEX_SHIM_UPSTREAM_PROXY", "http://HOST:PORT")
        return "WARN", problem.message, advice
    return "WARN", problem.message, problem.command


def _expiry(login: Login, now: float) -> str:
    if login.expires_at is None:
        return "the token has no expiry"
    return f"the token expires in {duration(login.expires_at - now)}"


def _catalog(sources: RouteSources) -> str:
    catalog = sources.catalog
    age = catalog.age_seconds
    age_text = f", {duration(age)} ago" if age is not None else ""
    return f"{model_count(len(catalog.entries))}, {_CATALOGS[catalog.status]}{age_text}"
