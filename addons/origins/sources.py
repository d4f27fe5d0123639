"""From the files on disk to the one route table: settings, logins, the account's models, Cursor's, and the demo.

Used alike by the running proxy and by the CLI. A call costs a few `stat`s; the table is rebuilt only when a source
changed, and replaced as a whole. The account's models and Cursor's login are asked for in the background, never here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from addons.core.credential import Origin
from addons.core.cursor.catalog import ALIASES as CURSOR_ALIASES
from addons.core.egress import outbound_problem
from addons.core.endpoints import Rules
from addons.core.login import Login, LoginKind, LoginProblem, LoginSource, NoLogins
from addons.core.models_file import NO_ROWS, ModelRows, parse_models
from addons.core.providers.chatgpt import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    ChatGPT,
    parse_base_url,
)
from addons.core.providers.demo import DEMO_SLUG, demo_entry
from addons.core.routes import Route, RouteTable
from addons.core.settings import Settings, parse_settings
from addons.origins.byok_routes import ByokRoutes
from addons.origins.cursor import PROVIDER as CURSOR
from addons.origins.cursor import CursorRoutes
from addons.origins.demo import plan_demo
from addons.origins.discovery import AccountCatalog
from addons.origins.files import CachedFile, FileAccessError
from addons.origins.login_file import LoginFile, login_path
from addons.origins.paths import settings_file

BUILT_IN_ALIASES = {"openai-gpt-5-5": "gpt-5.5"}
"""Slugs that earlier shims wrote into users' configs."""
PORT_VARIABLE, DEFAULT_PORT = "CODEX_SHIM_PORT", 8765
DEMO_HIDDEN = "It is only offered while no real model is."


class SettingsSource:
    """models.json, read again when it changes. A broken file leaves the last good state in force."""

    def __init__(self, env: Mapping[str, str], explicit: Path | None) -> None:
        self._env = env
        self._file = CachedFile(settings_file(env, explicit))
        self._seen: bytes | str | None = None
        """The file's bytes, or why there are none."""
        self._settings = parse_settings(None, str(self._file.path), env)
        self._rules = Rules(own_ports=own_ports(env))
        self.rows: ModelRows = NO_ROWS
        """The model rows of the same state of the file as the settings that were last given."""

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
        name = str(self._file.path)
        settings = parse_settings(seen, name, self._env, self._settings)
        self.rows = parse_models(seen, name, self._rules, self.rows)
        return replace(settings, problems=(*settings.problems, *self.rows.problems))


def own_ports(env: Mapping[str, str]) -> frozenset[int]:
    """Where the shim listens, as far as the environment tells: rows must not point there."""
    port = env.get(PORT_VARIABLE, "")
    return frozenset({int(port) if port.isdecimal() else DEFAULT_PORT})


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
        self._env = env
        self._base = parse_base_url(base_url)
        self.settings_source = SettingsSource(env, settings)
        self.logins = account_logins(env, self._base.origin, clock)
        self.catalog = AccountCatalog(env, base_url, clock)
        self.catalog.load()
        self.byok = ByokRoutes(env, self.settings_source.path.parent, self._find)
        self.cursor = CursorRoutes(env, own_ports(env), clock, self._key_variables)
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
    def files(self) -> tuple[Path, ...]:
        """Every file that the table is made of, there or not: while none changes, the table stays."""
        self.table()
        own = (self.settings_source.path, login_path(self._env))
        return (*own, self.cursor.file, *self.catalog.files, *self.byok.ring.files)

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.settings_source.current()

    @property
    def login_problem(self) -> LoginProblem | None:
        """Why the ChatGPT route is not live, if it is not."""
        found = self.logins.current()
        return found if isinstance(found, LoginProblem) else None

    @property
    def rows(self) -> ModelRows:
        """The model rows as they are now."""
        self.settings_source.current()
        return self.settings_source.rows

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the settings, and with what their rows name."""
        settings, table = self.settings, self.table()
        named = [
            *settings.chatgpt_fallback,
            *(slug for row in self.rows.rows for slug in row.fallback),
        ]
        unknown = dict.fromkeys(slug for slug in named if not table.resolve(slug))
        strays = (
            f"{self.settings_source.path}: fallback: {slug!r} is no model" for slug in unknown
        )
        return (
            *settings.problems,
            *self.cursor.settings.problems,
            *strays,
            *self.byok.troubles(self.rows),
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why what is not offered is not: `chatgpt` and `cursor` as a whole, each hidden row by its slug."""
        problem, cursor = self.login_problem, self.cursor.reason
        rows = {row.slug for row in self.rows.rows}
        hidden = (route for route in self.table().routes.values() if not route.live)
        return {
            **({"chatgpt": problem.message} if problem else {}),
            **({CURSOR: cursor} if cursor else {}),
            **{route.slug: route.hidden_because for route in hidden if route.slug in rows},
        }

    def table(self) -> RouteTable:
        """The table as the sources are now; the same object while nothing changed."""
        settings, problem = self.settings, self.login_problem
        rows = self.settings_source.rows
        missing, cursor = self.byok.missing(rows), self.cursor.agent.available
        built_from = (settings, problem, self.catalog.entries, cursor, rows, missing)
        if built_from != self._built_from:
            self._table = self._build(settings, problem)
            self._built_from = built_from
        return self._table

    def _build(self, settings: Settings, problem: LoginProblem | None) -> RouteTable:
        rows = self.settings_source.rows
        byok = self.byok.routes(rows, settings.limits)
        theirs = {route.slug for route in byok if route.live}
        logins = (
            *self._chatgpt_routes(settings, problem),
            *self.cursor.routes(settings.limits),
        )
        routes = [*(route for route in logins if route.slug not in theirs), *byok]
        demo = self._demo_route(settings, any(route.live for route in routes))
        aliases = {**BUILT_IN_ALIASES, **CURSOR_ALIASES, **rows.by_model, **settings.aliases}
        return RouteTable.of([*routes, demo], aliases)

    def _key_variables(self) -> frozenset[str]:
        return frozenset(name for row in self.rows.rows for name in row.variables)

    def _find(self, slug: str) -> Route | None:
        return self.table().resolve(slug)

    def _chatgpt_routes(self, settings: Settings, problem: LoginProblem | None) -> list[Route]:
        chatgpt = ChatGPT(
            self.logins, self._base, settings.chatgpt_credential, limits=settings.limits
        )
        make_plan = self.byok.with_fallbacks(chatgpt.plan, settings.chatgpt_fallback)
        return [
            Route(
                slug=str(entry["slug"]),
                display_name=str(entry.get("display_name") or entry["slug"]),
                provider="chatgpt",
                model=str(entry["slug"]),
                entry=entry,
                make_plan=make_plan,
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
        self.byok.ring.prepare(self.rows.rows)
        found = self.logins.current()
        return await self.catalog.refresh(found if isinstance(found, Login) else None)
