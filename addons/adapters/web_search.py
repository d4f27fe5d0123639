"""Decides who answers a web search: for a model of the account its backend, for a row what models.json says.

Never does: send a request, or let the ChatGPT login answer for a row unless `web_search.chatgpt` is set. Invariant: total;
a search of a row that nobody may answer gets an error that names the setting and the command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from addons.adapters.api_keys import KeyRing
from addons.adapters.web.page_fetch import PageFetcher
from addons.core.codex.threads import thread_id_for, thread_id_in_metadata
from addons.core.errors import Problem
from addons.core.protocols.request_body import find_model, replace_model
from addons.core.providers.chatgpt import ChatGPTProvider
from addons.core.providers.chatgpt_endpoints import plan_endpoint
from addons.core.providers.web_search import WebSearchProvider
from addons.core.routes import OneStepPlan, Route, RouteTable
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.root import Settings
from addons.core.settings.web_search import SearchEndpoint
from addons.core.turn import Answer, ClientRequest, Plan, shim_path
from addons.core.upstream.api_keys import KeyProblem
from addons.core.upstream.outbound_proxy import CA_FILE, proxy_for
from addons.core.web_search.failures import NO_LOGIN, NO_SERVICE, NOT_SHARED, nobody

SEARCH_PATH = "/alpha/search"


@dataclass(frozen=True, slots=True)
class SearchKey:
    """The `KeySource` of a search service."""

    ring: KeyRing
    endpoint: SearchEndpoint

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        """Return the header that carries the key; none for a service without one."""
        spec = self.endpoint.key
        if spec is None:
            return ()
        found = self.ring.resolve(spec.key)
        if isinstance(found, Secret):
            scheme = spec.scheme
            return (SecretHeader(scheme.header, found, self.endpoint.origin, scheme.prefix),)
        advice = f"Correct that, or `{spec.field}` in models.json."
        return KeyProblem(f"{self.endpoint.label} has no key: {found.message}. {advice}")

    def refused(self) -> None:
        """Note that the service refused the key."""
        if self.endpoint.key:
            self.ring.refused(self.endpoint.key.key)


def _yes() -> bool:
    return True


@dataclass(slots=True)
class WebSearches:
    """The searches of one process."""

    env: Mapping[str, str]
    ring: KeyRing
    table: Callable[[], RouteTable]
    is_row: Callable[[Route], bool]
    """Whether a route is one whose searches the account's backend does not answer by itself."""
    may_use_login: Callable[[], bool] = _yes
    """Whether the ChatGPT login may answer now: only if every client is the user."""

    def row_of(self, request: ClientRequest, settings: Settings) -> Route | None:
        """Return the row that searches; None for a model of the account, and for a request that is no search."""
        if shim_path(request.path) != SEARCH_PATH:
            return None
        coding, limit = request.header(b"content-encoding"), settings.limits.body_bytes
        slug = find_model(request.body, coding, limit)
        route = self.table().resolve(slug) if isinstance(slug, str) else None
        return route if route and self.is_row(route) else None

    def plan(
        self,
        request: ClientRequest,
        row: Route,
        settings: Settings,
        account: ChatGPTProvider | None,
    ) -> Plan:
        """Make the plan of a row's search. `account` is the provider of the ChatGPT login; None without a login."""
        search = settings.web_search
        is_shared = search.chatgpt and not self.may_use_login()
        if search.chatgpt and account and not is_shared and (model := self._account_model()):
            return self._ask_account(request, row, model, account)
        if endpoint := search.endpoint:
            return self._provider(endpoint, settings).plan(request, row.slug)
        thread = thread_id_for(request) or thread_id_in_metadata(request)
        request.notes.note_slug(SEARCH_PATH.removeprefix("/"), thread)
        reason = NOT_SHARED if is_shared else NO_LOGIN if search.chatgpt else NO_SERVICE
        return OneStepPlan(Answer(nobody(reason).reply()))

    def _provider(self, endpoint: SearchEndpoint, settings: Settings) -> WebSearchProvider:
        limits = settings.limits
        fetcher = PageFetcher(
            limits.search_seconds, self._needs_proxy, ca_file=self.env.get(CA_FILE, "")
        )
        return WebSearchProvider(
            endpoint=endpoint,
            key=SearchKey(self.ring, endpoint),
            open_pages=fetcher.open_pages,
            clock=time.time,
            limits=limits,
            log_queries=settings.web_search.log_queries,
        )

    def _needs_proxy(self, origin: Origin) -> bool:
        try:
            return proxy_for(origin, self.env, 0) is not None
        except ValueError:
            return True

    def _account_model(self) -> str:
        """Return a model of the account: its backend does not know those of rows."""
        own = (route for route in self.table().live if not self.is_row(route))
        return next((route.model for route in own if not route.hidden), "")

    def _ask_account(
        self, request: ClientRequest, row: Route, model: str, account: ChatGPTProvider
    ) -> Plan:
        limit = account.limits.body_bytes
        body = replace_model(request.body, request.header(b"content-encoding"), model, limit)
        if isinstance(body, Problem):
            return OneStepPlan(Answer(body.reply()))
        plan = plan_endpoint(account, replace(request, body=body))
        request.notes.search = f"for {row.slug}"
        return plan
