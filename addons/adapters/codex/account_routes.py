"""The routes of Codex's own login: to the ChatGPT backend, or to the API when the user has logged in with an API key.

The models of the account come from memory and are refreshed in the background. Sources, best first: the backend, the stored
copy of its last response, Codex's own models_cache.json, the catalog inside the installed Codex, one built-in entry.

Never does: send a request on the request path, change an entry. Invariant: a login goes only to the service of its kind, and
the routes carry the name of that service: `chatgpt` or `openai`. There is always at least one entry, and a failing source
removes none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import orjson

from addons.adapters.codex.account_details import AccountDetails
from addons.adapters.codex.api_base import ApiBase
from addons.adapters.codex.backend_models import DiscoveryError, ModelsRequest
from addons.adapters.codex.cli import CodexCli, CodexCliError
from addons.adapters.codex.login_file import LoginFile, UsableLogins
from addons.adapters.system.files import CachedFile, FileAccessError, write_atomic
from addons.adapters.system.paths import (
    Env,
    account_catalog_file,
    bundled_catalog_file,
    models_cache_file,
)
from addons.core.codex.catalog import Entry, account_entries, fallback_entries
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
from addons.core.routes import Circuit, PlanMaker, Route
from addons.core.secrets import Origin
from addons.core.settings.root import Settings
from addons.core.upstream.outbound_proxy import CA_FILE, outbound_problem, proxy_for

Status = Literal["account", "cached", "models_cache", "bundled", "fallback"]

CLIENT_VERSION_UNKNOWN = "0.169.0"
"""Sent when no Codex is installed. The backend lists the models that this client version can use."""


@dataclass(frozen=True, slots=True)
class _Known:
    """One model list with its metadata. The file on disk holds the same fields as JSON."""

    status: Status
    models: tuple[Entry, ...]
    etag: str = ""
    account: str = ""
    """The account of the list: `ModelsRequest.account`."""
    codex_version: str = ""
    """The Codex version that the list was requested for."""
    fetched_at: float | None = None
    """Epoch seconds."""


class AccountCatalog:
    """The account's models. Call `load` once and `refresh` from one task at a time; read at any time.

    Raises ValueError when `base_url` is not an http(s) URL. `clock` returns epoch seconds.
    """

    def __init__(self, env: Env, base_url: str, clock: Callable[[], float]) -> None:
        Origin.of(base_url)
        self._env = env
        self._base_url = base_url
        self._clock = clock
        self._known = _Known("fallback", fallback_entries())
        self.error = ""
        """Why the last load or refresh did not reach the best source; empty when it did."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The catalog entries, verbatim and in the account's order. Never empty."""
        return self._known.models

    @property
    def status(self) -> Status:
        """The source of the entries."""
        return self._known.status

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that `load` reads, best first."""
        return tuple(path for _, path in self._on_disk())

    @property
    def etag(self) -> str:
        """The backend's ETag of the entries, quotes included; empty when they come from another source."""
        return self._known.etag

    @property
    def age_seconds(self) -> float | None:
        """Seconds since the backend sent or confirmed the entries; None when they come from another source."""
        fetched_at = self._known.fetched_at
        return None if fetched_at is None else max(0.0, self._clock() - fetched_at)

    def load(self) -> None:
        """Load the best list on disk. Never raises."""
        self.error = ""
        for status, path in self._on_disk():
            try:
                found = _read(status, path)
            except (DiscoveryError, FileAccessError) as error:
                self.error = str(error)
                continue
            if found:
                self._known = found
                return

    def _on_disk(self) -> list[tuple[Status, Path]]:
        return [
            ("cached", account_catalog_file(self._env)),
            ("models_cache", models_cache_file(self._env)),
            ("bundled", bundled_catalog_file(self._env)),
        ]

    async def refresh(self, login: Login | None) -> bool:
        """Query the backend, and the installed Codex while no better list is known. Return whether the entries changed.

        Never raises: `error` holds the reason, and the known entries stay.
        """
        before = self._known.models
        self.error = ""
        codex = CodexCli.find(self._env)
        version = await self._version_of(codex)
        for step in (
            partial(self._query_backend, login, version),
            partial(self._read_bundled, codex, version),
        ):
            try:
                await step()
            except (CodexCliError, DiscoveryError, FileAccessError) as error:
                self.error = self.error or str(error)
        return self._known.models != before

    async def _version_of(self, codex: CodexCli | None) -> str:
        try:
            return await _in_thread(codex.version) if codex else ""
        except CodexCliError as error:
            self.error = str(error)
            return ""

    async def _query_backend(self, login: Login | None, version: str) -> None:
        if not login:
            return
        version = version or CLIENT_VERSION_UNKNOWN
        try:
            proxy = proxy_for(Origin.of(self._base_url), self._env, own_port=0)
        except ValueError as error:
            raise DiscoveryError(str(error)) from None
        ca_file = self._env.get(CA_FILE, "")
        request = ModelsRequest(self._base_url, version, login, proxy, ca_file)
        account, known = request.account, self._known
        same = (known.account, known.codex_version) == (account, version)
        answer = await request.send(known.etag if same else "")
        if answer.body is None:
            self._known = replace(known, status="account", fetched_at=self._clock())
        else:
            models = _models_of(answer.body, f"the response of {self._base_url}")
            self._known = _Known("account", models, answer.etag, account, version, self._clock())
        await _in_thread(_write, account_catalog_file(self._env), self._known)

    async def _read_bundled(self, codex: CodexCli | None, version: str) -> None:
        known = self._known
        up_to_date = known.status == "bundled" and known.codex_version == version
        if not (codex and version) or known.status not in {"bundled", "fallback"} or up_to_date:
            return
        models = _models_of(await _in_thread(codex.bundled_catalog), codex.binary)
        self._known = _Known("bundled", models, codex_version=version)
        await _in_thread(_write, bundled_catalog_file(self._env), self._known)


async def _in_thread[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # noqa: PLC0415 - 50 ms, and `codex-shim list` only loads

    return await asyncio.to_thread(call, *args, **kwargs)


def _read(status: Status, path: Path) -> _Known | None:
    payload = CachedFile(path).read()
    if payload is None:
        return None
    models = _models_of(payload, str(path))
    if status == "models_cache":
        return _Known(status, models)
    record = orjson.loads(payload)
    fetched_at = record.get("fetched_at")
    return _Known(
        status,
        models,
        etag=str(record.get("etag", "")),
        account=str(record.get("account", "")),
        codex_version=str(record.get("codex_version", "")),
        fetched_at=fetched_at if isinstance(fetched_at, float) else None,
    )


def _write(path: Path, known: _Known) -> None:
    write_atomic(path, orjson.dumps(known))


def _models_of(payload: bytes, where: str) -> tuple[Entry, ...]:
    read = account_entries(payload)
    if read.problem:
        msg = f"{where} is not a model list: {read.problem}"
        raise DiscoveryError(msg)
    return read.entries


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
        self.logins = UsableLogins(stored, self.details, self.api)
        self.catalog = AccountCatalog(env, base_url, clock)
        self.catalog.load()
        self._refused_upgrades = RefusedUpgrades(clock)
        self._circuit = Circuit(self._token_digest)
        """One for all models: they share the account and its limits."""

    def _token_digest(self) -> bytes:
        found = self.logins.current()
        return found.access_token.digest if isinstance(found, Login) else b""

    @property
    def problem(self) -> LoginProblem | None:
        """Why the routes are not live; None when they are. With an agent identity, Codex signs its requests itself."""
        return _problem_of(self.logins.current())

    @property
    def details_problem(self) -> str:
        """Why the region or the owner of the login is unknown, and what to type; empty when nothing failed."""
        error = self.details.error
        if not error:
            return ""
        advice = "" if "`" in error else " Type `codex-shim restart` to ask again."
        return f"the region or the owner of the login is unknown: {error.rstrip('.')}.{advice}"

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
    def turn_origin(self) -> Origin | None:
        """The origin of the next turn with a ChatGPT login; None without a live one, or before its region is known."""
        login = self._chatgpt_login()
        if login is None or self.details.is_pending(login):
            return None
        return login.backend or self.base.origin

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
            plain_handover=settings.chatgpt_plain_handover,
            refused_upgrades=self._refused_upgrades,
            key_base=self.api.base_for,
            hold=self.details.hold,
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
                circuit=self._circuit,
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
    if isinstance(found, Login) or found.kind is LoginKind.AGENT_IDENTITY:
        return None
    return found


def _is_in_api(entry: Entry) -> bool:
    """Return whether the API serves the model. Codex itself offers no other with an API key."""
    return entry.get("supported_in_api") is not False
