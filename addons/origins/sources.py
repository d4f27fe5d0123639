"""From the files on disk to the one route table: settings, login, the account's models, and the demo.

Used alike by the running proxy and by the CLI. A call costs a few `stat`s; the table is rebuilt only when a source
changed, and replaced as a whole. The account's models are fetched in the background, never here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from addons.core.credential import Origin
from addons.core.egress import outbound_problem
from addons.core.login import Login, LoginKind, LoginProblem, LoginSource, NoLogins
from addons.core.providers.chatgpt import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    ChatGPT,
    parse_base_url,
)
from addons.core.providers.demo import DEMO_SLUG, demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.settings import Settings, parse_settings
from addons.origins.demo import plan_demo
from addons.origins.discovery import AccountCatalog
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.login_file import LoginFile
from addons.origins.paths import settings_file

BUILT_IN_ALIASES = {"openai-gpt-5-5": "gpt-5.5"}
"""Slugs that earlier shims wrote into users' configs."""
DEMO_HIDDEN = "It is only offered while no real model is."


class SettingsSource:
    """models.json, read again when it changes. A broken file leaves the last good state in force."""

    def __init__(self, env: Mapping[str, str], explicit: Path | None) -> None:
        self._env = env
        self._file = CachedFile(settings_file(env, explicit))
        self._seen: bytes | str | None = None
        """The file's bytes, or why there are none."""
        self._settings = parse_settings(None, str(self._file.path), env)

    @property
    def path(self) -> Path:
        """The file, whether it exists or not."""
        return self._file.path

    def current(self) -> Settings:
        """The settings as the file has them now; the same object while nothing changed."""
        seen: bytes | str | None
        try:
            seen = self._file.read()
        except FileAccessError as error:
            seen = str(error)
        if seen != self._seen:
            self._seen = seen
            self._settings = self._changed(seen)
        return self._settings

    def _changed(self, seen: bytes | str | None) -> Settings:
        if isinstance(seen, str):
            return replace(self._settings, problems=(seen,))
        return parse_settings(seen, str(self._file.path), self._env, self._settings)


def account_logins(
    env: Mapping[str, str], origin: Origin, clock: Callable[[], float] = time.time
) -> LoginSource:
    """The logins of the ChatGPT route: none while the outbound proxy to `origin` cannot be used."""
    if problem := outbound_problem(origin, env):
        return NoLogins(LoginProblem(LoginKind.NO_WAY, problem))
    return LoginFile(env, clock)


class Sources:
    """Everything a table is built from.

    Raises ValueError, in words a user can act on, when CODEX_SHIM_CHATGPT_BASE_URL is not usable.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        settings: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        base_url = env.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        self._base = parse_base_url(base_url)
        self.settings_source = SettingsSource(env, settings)
        self.logins = account_logins(env, self._base.origin, clock)
        self.catalog = AccountCatalog(env, base_url, clock)
        self.catalog.load()
        self._built_from: tuple[object, ...] = ()
        self._table = RouteTable()

    @property
    def chatgpt_origin(self) -> Origin:
        """Where the ChatGPT route goes."""
        return self._base.origin

    def models_etag(self) -> str | None:
        """The backend's own ETag while the offered models are exactly the account's."""
        offers_only_these = all(route.provider == "chatgpt" for route in self.table().live)
        return (self.catalog.etag or None) if offers_only_these else None

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.settings_source.current()

    @property
    def login_problem(self) -> LoginProblem | None:
        """Why the ChatGPT route is not live, if it is not."""
        found = self.logins.current()
        return found if isinstance(found, LoginProblem) else None

    def table(self) -> RouteTable:
        """The table as the sources are now; the same object while nothing changed."""
        settings, problem = self.settings, self.login_problem
        built_from = (settings, problem, self.catalog.entries)
        if built_from != self._built_from:
            self._table = self._build(settings, problem)
            self._built_from = built_from
        return self._table

    def _build(self, settings: Settings, problem: LoginProblem | None) -> RouteTable:
        chatgpt = self._chatgpt_routes(settings, problem)
        demo = self._demo_route(settings, any(route.live for route in chatgpt))
        return RouteTable.of([*chatgpt, demo], {**BUILT_IN_ALIASES, **settings.aliases})

    def _chatgpt_routes(self, settings: Settings, problem: LoginProblem | None) -> list[Route]:
        chatgpt = ChatGPT(
            self.logins, self._base, settings.chatgpt_credential, limits=settings.limits
        )
        return [
            Route(
                slug=str(entry["slug"]),
                display_name=str(entry.get("display_name") or entry["slug"]),
                provider="chatgpt",
                model=str(entry["slug"]),
                entry=entry,
                make_plan=chatgpt.plan,
                hidden_because=problem.message if problem else "",
            )
            for entry in self.catalog.entries
        ]

    def _demo_route(self, settings: Settings, others_live: bool) -> Route:  # noqa: FBT001  a fact, no switch
        entry = demo_entry()
        return Route(
            slug=DEMO_SLUG,
            display_name=str(entry["display_name"]),
            provider="demo",
            model=DEMO_SLUG,
            entry=entry,
            make_plan=partial(plan_demo, limits=settings.limits),
            hidden_because=DEMO_HIDDEN if others_live else "",
        )

    async def refresh(self) -> bool:
        """Ask for the account's models. For the background; never raises. Says whether they changed."""
        found = self.logins.current()
        return await self.catalog.refresh(found if isinstance(found, Login) else None)
