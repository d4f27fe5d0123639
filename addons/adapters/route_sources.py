"""Builds the route table from the settings, the logins, the account's models, the Cursor routes and the demo.

The running proxy and the CLI use it alike. A call costs a few `stat`s. Never does: send a request; the account's models
and Cursor's login are refreshed in the background. Invariant: the table is rebuilt only when a source has changed, and
replaced as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from addons.adapters.codex.account_routes import AccountRoutes
from addons.adapters.codex.login_file import login_files
from addons.adapters.cursor.routes import PROVIDER as CURSOR
from addons.adapters.cursor.routes import CursorRoutes
from addons.adapters.demo import plan_demo
from addons.adapters.local.watch import States
from addons.adapters.row_routes import RowRoutes
from addons.adapters.system.files import CachedFile, FileAccessError
from addons.adapters.system.paths import settings_file
from addons.adapters.system.pydantic_plugins import without_plugins
from addons.adapters.system.threads import in_thread
from addons.adapters.traits_store import Scopes
from addons.adapters.web_search import WebSearches
from addons.core.codex.login import LoginProblem
from addons.core.cursor.catalog import ALIASES as CURSOR_ALIASES
from addons.core.providers.chatgpt_endpoints import plan_endpoint
from addons.core.providers.demo import DEMO_SLUG, demo_entry
from addons.core.providers.vision import vision_problem
from addons.core.routes import Route, RouteTable
from addons.core.settings.models_file import NO_ROWS, ModelRows, parse_models
from addons.core.settings.near_miss import nearest
from addons.core.settings.root import Settings, parse_settings
from addons.core.settings.upstream_url import EndpointRules
from addons.core.turn import ClientRequest, Plan

BUILT_IN_ALIASES = {"openai-gpt-5-5": "gpt-5.5"}
"""Slugs that earlier shims wrote into the configs of users."""
PORT_VARIABLE, DEFAULT_PORT = "CODEX_SHIM_PORT", 8765
DEMO_UNAVAILABLE = "The demo is offered only while no other model is available."


INLINE_BYTES = 32 * 1024
"""A larger file is parsed by a thread while streams run."""

Prepare = Callable[[Settings, ModelRows], Callable[[], None]]
"""Makes, in any thread, what depends on new settings. What it returns is called when they come into force."""


def _nothing() -> None:
    """Install nothing."""


def _prepare_nothing(_settings: Settings, _rows: ModelRows) -> Callable[[], None]:
    return _nothing


@dataclass(frozen=True, slots=True)
class _Parsed:
    """One state of models.json."""

    seen: bytes | str | None
    """The bytes of the file, or the reason why it cannot be read."""
    settings: Settings
    rows: ModelRows
    install: Callable[[], None]


RECENT_NS = 1_000_000
"""The file is not looked at again so soon: admission, limits and routes of one request all ask for the settings."""


class SettingsSource:
    """models.json. It is read again when it changes; an unusable file leaves the last good state in force."""

    def __init__(self, env: Mapping[str, str], explicit: Path | None) -> None:
        self._env = env
        self._file = CachedFile(settings_file(env, explicit))
        self._seen: bytes | str | None = None
        """The bytes of the file, or the reason why it cannot be read."""
        self._checked_ns = 0
        """Monotonic time of the last look at the file, if its content was old enough to be cached."""
        self._settings = parse_settings(None, str(self._file.path), env)
        self._parsing: Future[_Parsed] | None = None
        self._prepare: Prepare | None = None
        self._rules = EndpointRules(own_ports=own_ports(env))
        self.rows: ModelRows = NO_ROWS
        """The model rows from the same state of the file as the last result of `current`."""

    @property
    def path(self) -> Path:
        """The path of the file, which may not exist."""
        return self._file.path

    def current(self) -> Settings:
        """Return the settings of the file as it is now; the same object while nothing changed.

        While a thread parses a large file, they are the settings of the file before.
        """
        if self._parsing:
            if not self._parsing.done():
                return self._settings
            parsed, self._parsing = self._parsing.result(), None
            self._use(parsed)
        now = time.monotonic_ns()
        if now - self._checked_ns < RECENT_NS:
            return self._settings
        seen: bytes | str | None
        try:
            seen = self._file.read()
        except FileAccessError as error:
            seen = str(error)
        if seen != self._seen:
            self._change(seen)
        self._checked_ns = now if self._file.is_settled else 0
        return self._settings

    def parse_in_thread(self, prepare: Prepare) -> None:
        """Let a thread parse each large file from now on, and prepare what is made of it, as streams must not wait."""
        self._prepare = prepare

    def _change(self, seen: bytes | str | None) -> None:
        if self._prepare and seen and len(seen) > INLINE_BYTES:
            self._parsing = in_thread(partial(self._parse, seen, self._prepare), "settings")
        else:
            self._use(self._parse(seen, _prepare_nothing))

    def _use(self, parsed: _Parsed) -> None:
        self._seen, self._settings, self.rows = parsed.seen, parsed.settings, parsed.rows
        parsed.install()

    def _parse(self, seen: bytes | str | None, prepare: Prepare) -> _Parsed:
        before, rows = self._settings, self.rows
        if isinstance(seen, str):
            return _Parsed(seen, replace(before, problems=(seen,)), rows, _nothing)
        name = str(self._file.path)
        settings = parse_settings(seen, name, self._env, before)
        with without_plugins():
            rows = parse_models(seen, name, self._rules, rows)
        settings = replace(settings, problems=(*settings.problems, *rows.problems))
        return _Parsed(seen, settings, rows, prepare(settings, rows))


def own_ports(env: Mapping[str, str]) -> frozenset[int]:
    """Return the port of the shim by the environment. A row must not name it as its upstream."""
    port = env.get(PORT_VARIABLE, "")
    return frozenset({int(port) if port.isdecimal() else DEFAULT_PORT})


class _RowState(NamedTuple):
    """All that the routes of rows are made of, as it was at one time."""

    settings: Settings
    rows: ModelRows
    missing_keys: tuple[str, ...]
    traits: Scopes
    local: States


class RouteSources:
    """Everything that the route table is built from.

    Raises ValueError, with a text for the user, when the base URL of the backend or of the API is not usable.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        settings: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._env = env
        self.account = AccountRoutes(env, clock, own_ports(env))
        self.settings_source = SettingsSource(env, settings)
        self.logins = self.account.logins
        self.catalog = self.account.catalog
        self.row_routes = RowRoutes(env, self.settings_source.path.parent, self._find)
        self.searches = WebSearches(env, self.row_routes.ring, self.table, self.is_row)
        self.cursor = CursorRoutes(env, own_ports(env), clock, self._key_variables)
        self._built_from: tuple[object, ...] = ()
        self._table = RouteTable()
        self._row_slugs: frozenset[str] = frozenset()
        """The slugs of rows that are offered. An alias leads none of them elsewhere: a row is never hidden."""

    def parse_in_thread(self) -> None:
        """Let a thread parse each large models.json and make its routes from now on."""

        def prepare(settings: Settings, rows: ModelRows) -> Callable[[], None]:
            made = self.row_routes.make(
                rows, settings.limits, self.row_routes.known, settings.vision
            )

            def install() -> None:
                self.row_routes.known = made

            return install

        self.table()
        self.settings_source.parse_in_thread(prepare)

    def models_etag(self) -> str | None:
        """Return the ETag of the account's own catalog while the offered models are exactly that catalog."""
        offers_only_these = all(route.provider == "chatgpt" for route in self.table().live)
        return (self.catalog.etag or None) if offers_only_these else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that the table depends on. While none of them changes, the table stays the same."""
        self.table()
        own = (self.settings_source.path, *login_files(self._env), self.row_routes.traits.path)
        own = (*own, self.row_routes.local.path)
        return (*own, self.cursor.file, *self.catalog.files, *self.row_routes.ring.files)

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self.settings_source.current()

    @property
    def login_problem(self) -> LoginProblem | None:
        """Why the ChatGPT route is not live; None when it is."""
        return self.account.problem

    @property
    def rows(self) -> ModelRows:
        """The model rows as they are now."""
        self.settings_source.current()
        return self.settings_source.rows

    def fallbacks_of(self, slug: str) -> Sequence[str]:
        """Return the slugs of the fallbacks of a slug, in order."""
        route = self._find(slug)
        if route and route.provider == self.account.service[0]:
            return self.settings.chatgpt_fallback
        return next((row.fallback for row in self.rows.rows if row.slug == slug), ())

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems of the settings, of the Cursor settings, of fallbacks, of the account and of key commands."""
        settings, table = self.settings, self.table()
        named = [
            *settings.chatgpt_fallback,
            *(slug for row in self.rows.rows for slug in row.fallback),
        ]
        return (
            *settings.problems,
            *self.cursor.settings.problems,
            *(
                problem
                for slug in dict.fromkeys(named)
                for problem in self._named_problem("fallback", slug, table)
            ),
            *self._named_problem("helpers", settings.helpers, table),
            *(
                problem
                for budget in settings.budgets
                for problem in self._named_problem(f"budgets {budget.name}", budget.model, table)
            ),
            *self._vision_problems(settings, table),
            *filter(None, [self.account.details_problem]),
            *self.row_routes.command_problems(self.rows),
        )

    def _vision_problems(self, settings: Settings, table: RouteTable) -> Iterator[str]:
        """Yield why the models that `vision` names cannot describe pictures."""
        whose = {"vision": ("", settings.vision)}
        whose |= {f"{row.slug}: vision": (row.slug, row.vision) for row in self.rows.rows}
        for where, (own, slug) in whose.items():
            found = table.resolve(slug)
            if slug and found is None:
                yield from self._named_problem(where, slug, table)
            elif slug and (problem := vision_problem(own, slug, found)):
                yield f"{self.settings_source.path}: {where}: {problem}"

    def _named_problem(self, where: str, slug: str, table: RouteTable) -> Iterator[str]:
        if not slug or table.resolve(slug):
            return
        near = nearest(slug, [*table.routes, *table.aliases])
        advice = f" Did you mean {near!r}?" if near else " `codex-shim list` shows the models."
        yield f"{self.settings_source.path}: {where}: {slug!r} is no model.{advice}"

    @property
    def reasons(self) -> Mapping[str, str]:
        """Provider (`chatgpt`, `cursor`) or slug of a row → why it is not offered."""
        problem, cursor = self.login_problem, self.cursor.reason
        rows = {row.slug for row in self.rows.rows}
        unavailable = (route for route in self.table().routes.values() if not route.live)
        return {
            **({"chatgpt": problem.message} if problem else {}),
            **({CURSOR: cursor} if cursor else {}),
            **{route.slug: route.unavailable_reason for route in unavailable if route.slug in rows},
        }

    def table(self) -> RouteTable:
        """Return the table of the sources as they are now; the same object while nothing changed."""
        rows = self._row_state()
        built_from = (rows, self.account.state, self.catalog.entries, self.cursor.agent.available)
        if built_from != self._built_from:
            self._table = self._build(rows.settings)
            self._built_from = built_from
        return self._table

    def table_for(self, slug: str) -> RouteTable:
        """Return a table in which this slug is as `table` has it.

        A row that is offered comes before every other source of its slug, so its turns look at no login.
        """
        is_row = slug in self._row_slugs and self._row_state() == self._built_from[0]
        return self._table if is_row else self.table()

    def _row_state(self) -> _RowState:
        settings, rows, routes = self.settings, self.settings_source.rows, self.row_routes
        routes.traits.refresh()
        known = routes.traits.scopes, routes.local.states
        return _RowState(settings, rows, routes.missing_keys(rows), *known)

    def _build(self, settings: Settings) -> RouteTable:
        rows = self.settings_source.rows
        row_routes = self.row_routes.routes(rows, settings.limits, settings.vision)
        row_slugs = frozenset(route.slug for route in row_routes if route.live)
        self._row_slugs = row_slugs
        logins = (
            *self._account_routes(settings),
            *self.cursor.routes(settings.limits),
        )
        routes = [*(route for route in logins if route.slug not in row_slugs), *row_routes]
        demo = self._demo_route(
            settings, DEMO_UNAVAILABLE if any(route.live for route in routes) else ""
        )
        searches = settings.web_search.is_configured and any(
            route.live and route.provider != self.account.service[0]
            for route in (*row_routes, *logins)
        )
        aliases = {**BUILT_IN_ALIASES, **CURSOR_ALIASES, **rows.by_model}
        return RouteTable.of(
            [*routes, demo],
            aliases,
            settings.aliases,
            settings.helpers,
            websocket=settings.websocket,
            has_budgets=bool(settings.budgets),
            searches=searches,
        )

    def _key_variables(self) -> frozenset[str]:
        return frozenset(name for row in self.rows.rows for name in row.variables)

    def _find(self, slug: str) -> Route | None:
        return self.table().resolve(slug)

    def plan_endpoint(self, request: ClientRequest) -> Plan:
        """Make the plan of a request that is no turn: of a search of a row, or of one to the ChatGPT backend."""
        settings = self.settings
        provider = self.account.provider(settings)
        if row := self.searches.row_of(request, settings):
            account = None if self.login_problem else provider
            return self.searches.plan(request, row, settings, account)
        return plan_endpoint(provider, request)

    def is_row(self, route: Route) -> bool:
        """Return whether a route is that of a row, of Cursor or of the demo, and not one of an account with the same slug."""
        known = self.row_routes.known.get(route.slug)
        return route.provider in {CURSOR, "demo"} or bool(known and known.route is route)

    def _account_routes(self, settings: Settings) -> list[Route]:
        plan = self.account.provider(settings).plan
        fallback = settings.chatgpt_fallback
        return self.account.routes(self.row_routes.with_fallbacks(plan, fallback))

    def _demo_route(self, settings: Settings, unavailable_reason: str) -> Route:
        entry = demo_entry()
        return Route(
            slug=DEMO_SLUG,
            display_name=str(entry["display_name"]),
            provider="demo",
            model=DEMO_SLUG,
            entry=entry,
            make_plan=partial(plan_demo, limits=settings.limits),
            unavailable_reason=unavailable_reason,
        )

    async def poll_local_servers(self) -> bool:
        """Ask the model servers on this machine that rows use, and that are due. Return whether there are any."""
        return await self.row_routes.local.poll(self.rows.rows)

    async def refresh(self) -> bool:
        """Ask for the account's models, in the background. Return whether they changed. Never raises."""
        self.row_routes.ring.prepare(self.rows.rows)
        return await self.account.refresh()
