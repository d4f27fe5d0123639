"""The routes of Codex's own login: to the ChatGPT backend, or to the API when the user has logged in with an API key.

Never does: send a request on the request path. Invariant: a login goes only to the service of its kind, and the routes
carry the name of that service: `chatgpt` or `openai`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from addons.adapters.codex.account_catalog import AccountCatalog
from addons.adapters.codex.account_details import AccountDetails, DetailedLogins
from addons.adapters.codex.api_base import ApiBase
from addons.adapters.codex.login_file import LoginFile
from addons.core.codex.catalog import Entry
from addons.core.codex.login import (
    Login,
    LoginKind,
    LoginMethod,
    LoginProblem,
    LoginSource,
    UnavailableLogin,
)
from addons.core.codex.reasoning_levels import accepted_entry
from addons.core.providers.chatgpt import (
    API_METHODS,
    BASE_URL_VARIABLE,
    CHATGPT_METHODS,
    DEFAULT_BASE_URL,
    ChatGPTProvider,
    parse_base_url,
)
from addons.core.providers.chatgpt_socket import RefusedUpgrades
from addons.core.routes import PlanMaker, Route
from addons.core.secrets import Origin
from addons.core.settings.root import Settings
from addons.core.upstream.outbound_proxy import outbound_problem

log = logging.getLogger(__name__)

CHATGPT, OPENAI = "chatgpt", "openai"
AGENT_IDENTITY = "agent identity"


def account_logins(
    env: Mapping[str, str], origin: Origin, clock: Callable[[], float] = time.time
) -> LoginSource:
    """Return the logins of the ChatGPT route: none while the outbound proxy to `origin` cannot be used."""
    if problem := outbound_problem(origin, env):
        return UnavailableLogin(LoginProblem(LoginKind.PROXY_UNUSABLE, problem))
    return LoginFile(env, clock)


class UsableLogins:
    """A `LoginSource` without API keys while the address of the API cannot be used."""

    def __init__(self, source: LoginSource, api: ApiBase) -> None:
        self._source = source
        self._api = api

    @property
    def known(self) -> Login | None:
        """The login that was read last."""
        return self._source.known

    def current(self) -> Login | LoginProblem:
        """Return the login in the file now."""
        return self._usable(self._source.current())

    def reread(self) -> Login | LoginProblem:
        """Return the login without any cache."""
        return self._usable(self._source.reread())

    def _usable(self, found: Login | LoginProblem) -> Login | LoginProblem:
        is_key = isinstance(found, Login) and found.method is LoginMethod.API_KEY
        return (is_key and self._api.problem) or found


class AccountRoutes:
    """Codex's login, the models of its account and their routes.

    Raises ValueError, with a text for the user, when a variable holds an unusable base URL.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        clock: Callable[[], float],
        own_ports: frozenset[int] = frozenset(),
    ) -> None:
        base_url = env.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        self.base = parse_base_url(base_url)
        self.api = ApiBase(env, own_ports)
        self.details = AccountDetails(env, base_url)
        stored = account_logins(env, self.base.origin, clock)
        self.logins = UsableLogins(DetailedLogins(stored, self.details), self.api)
        self.catalog = AccountCatalog(env, base_url, clock)
        self.catalog.load()
        self._refused_upgrades = RefusedUpgrades(clock)

    @property
    def problem(self) -> LoginProblem | None:
        """Why the routes are not live; None when they are. With an agent identity, Codex signs its requests itself."""
        return _problem_of(self.logins.current())

    @property
    def login_name(self) -> str:
        """The kind of the login, for display; empty without one."""
        found = self.logins.current()
        if isinstance(found, Login):
            return found.method.value
        return AGENT_IDENTITY if found.kind is LoginKind.AGENT_IDENTITY else ""

    @property
    def service(self) -> tuple[str, Origin]:
        """The name of the routes, and the origin that gets their turns."""
        return self._service_of(self.logins.current())

    @property
    def state(self) -> tuple[LoginProblem | None, tuple[str, Origin]]:
        """The problem and the service, from one look at the login."""
        found = self.logins.current()
        return _problem_of(found), self._service_of(found)

    def provider(self, settings: Settings) -> ChatGPTProvider:
        """Return the provider of the login as it is now."""
        found = self.logins.current()
        if not isinstance(found, Login) or found.method is not LoginMethod.API_KEY:
            base, methods = self.base, CHATGPT_METHODS
        else:
            base, methods = self.api.base_for(found), API_METHODS
        return ChatGPTProvider(
            self.logins,
            base,
            settings.chatgpt_credential,
            limits=settings.limits,
            methods=methods,
            transport=settings.chatgpt_transport,
            refused_upgrades=self._refused_upgrades,
            key_base=self.api.base_for,
        )

    def routes(self, make_plan: PlanMaker) -> list[Route]:
        """Return one route per model of the account."""
        problem, (name, _) = self.state
        return [
            Route(
                slug=str(entry["slug"]),
                display_name=str(entry.get("display_name") or entry["slug"]),
                provider=name,
                model=str(entry["slug"]),
                entry=entry,
                make_entry=partial(accepted_entry, entry),
                make_plan=make_plan,
                unavailable_reason=problem.message if problem else "",
            )
            for entry in self.catalog.entries
            if name == CHATGPT or _is_in_api(entry)
        ]

    async def refresh(self) -> bool:
        """Ask for the details of the account and its models. Return whether the models changed. Never raises."""
        if login := self._chatgpt_login():
            before = self.details.error
            await self.details.refresh(login)
            if self.details.error and self.details.error != before:
                log.warning(
                    "the region or the owner of the login is unknown: %s", self.details.error
                )
        return await self.catalog.refresh(self._chatgpt_login())

    def _chatgpt_login(self) -> Login | None:
        found = self.logins.current()
        return found if isinstance(found, Login) and found.method in CHATGPT_METHODS else None

    def _service_of(self, found: Login | LoginProblem) -> tuple[str, Origin]:
        if isinstance(found, LoginProblem):
            return CHATGPT, self.base.origin
        if found.method is LoginMethod.API_KEY:
            return OPENAI, self.api.base_for(found).origin
        return CHATGPT, found.backend or self.base.origin


def _problem_of(found: Login | LoginProblem) -> LoginProblem | None:
    return found if isinstance(found, LoginProblem) and not found.is_with_client else None


def _is_in_api(entry: Entry) -> bool:
    """Return whether the API serves the model. Codex itself offers no other with an API key."""
    return entry.get("supported_in_api") is not False
