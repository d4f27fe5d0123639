"""The plan of one web search of a row: the commands of `web.run`, one request to the search service after the other.

A service that returns no pages leaves them to `open_pages`, which fetches them itself. Never does: send the conversation
to the service, or ask it again after anything but a limit, at which it charges nothing; answer a status of 500 or more, at
which Codex would send the whole call again. Invariant: a key is bound to the service's origin; each command is asked at most
once, and after a failure that the next one would share none is asked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from addons.core.codex.threads import thread_id_for, thread_id_in_metadata
from addons.core.errors import Problem
from addons.core.headers import Headers, is_html
from addons.core.limits import MIB, Limits
from addons.core.protocols.request_body import parse_body
from addons.core.secrets import SecretHeader
from addons.core.settings.web_search import SearchEndpoint
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    Head,
    Plan,
    Prepare,
    Send,
    Step,
    UpstreamRequest,
    printable,
    shim_path,
)
from addons.core.upstream.api_keys import KeyProblem, KeySource
from addons.core.upstream.durations import retry_after_seconds
from addons.core.version import VERSION
from addons.core.web_search.answer import SearchAnswer
from addons.core.web_search.brave import Brave
from addons.core.web_search.call import (
    PageRequest,
    SearchCall,
    SearchQuery,
    allows_host,
    is_within,
    read_call,
)
from addons.core.web_search.exa import Exa
from addons.core.web_search.failures import (
    SearchFailure,
    fault_failure,
    form_failure,
    parsed,
    status_failure,
)
from addons.core.web_search.searxng import SearXNG
from addons.core.web_search.service import Page, SearchService, ServiceRequest
from addons.core.web_search.tavily import Tavily

SERVICES: Mapping[str, SearchService] = {
    "searxng": SearXNG(),
    "brave": Brave(),
    "tavily": Tavily(),
    "exa": Exa(),
}
"""Value of `web_search.service` → the module that writes its requests and reads its answers."""
RESULT_BYTES = 4 * MIB
"""Largest answer of a service that is read."""
LIMIT_PAUSE, MAX_PAUSE = 1.1, 5.0
"""Seconds to wait at a limit that names no time, and at most. Brave's free plan allows one request a second."""
HEADERS: Headers = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"codex-shim/%s" % VERSION.encode()),
)
NO_URL = SearchFailure(
    "It is not the URL of a page. Use the URL of a result as `ref_id`.", is_final=False
)
NOT_ALLOWED = SearchFailure(
    "The user's settings of Codex do not allow pages of this domain.", is_final=False
)
NOT_LIVE = SearchFailure(
    'It was not opened: Codex may not fetch pages. The user can set `web_search = "live"` in Codex\'s config.toml.',
    is_final=False,
)
NOT_ASKED = SearchFailure("Not asked, because the request before it failed.")

OpenPages = Callable[[Sequence[str], Callable[[str], bool]], Awaitable[Mapping[str, Page]]]
"""Fetches pages: URLs, and whether a host may be asked → the page of each. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchProvider:
    """The search service of the user. `plan` begins the plan of one call."""

    endpoint: SearchEndpoint
    key: KeySource
    open_pages: OpenPages
    clock: Callable[[], float]
    """Unix seconds."""
    limits: Limits
    log_queries: bool = False

    def plan(self, request: ClientRequest, slug: str) -> Plan:
        """Begin the plan of one call. `slug` is the model that searches."""
        thread = thread_id_for(request) or thread_id_in_metadata(request)
        request.notes.note_slug(shim_path(request.path).removeprefix("/"), thread)
        request.notes.note_route(self.endpoint.service, slug, self.endpoint.label)
        return WebSearchPlan(self, request)


@dataclass(frozen=True, slots=True)
class _Query:
    """A query of the call."""

    query: SearchQuery


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages of the call, of which the service is asked in one request."""

    wanted: tuple[PageRequest, ...]

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(page.url for page in self.wanted))


_Task = _Query | _Pages


class WebSearchPlan:
    """The decisions of one call."""

    def __init__(self, provider: WebSearchProvider, request: ClientRequest) -> None:
        self._provider = provider
        self._request = request
        self._endpoint = provider.endpoint
        self._service = SERVICES[provider.endpoint.service]
        self._secrets: tuple[SecretHeader, ...] = ()
        self._tasks: deque[_Task] = deque()
        self._task: _Task | None = None
        """What the request under way is for."""
        self._sent: UpstreamRequest | None = None
        self._may_wait = True
        self._own_pages: tuple[PageRequest, ...] = ()
        """What is fetched by this process."""
        self._answer = SearchAnswer(SearchCall())

    def start(self) -> Step:
        """Read the call and send its first request, or answer with the reason why that is impossible."""
        request, limits = self._request, self._provider.limits
        body = parse_body(request.body, request.header(b"content-encoding"), limits.body_bytes)
        if isinstance(body, Problem):
            return Answer(body.reply())
        call = read_call(body.payload)
        self._answer = SearchAnswer(call)
        if self._provider.log_queries:
            request.notes.queries += [query.text for query in call.queries]
        self._note_search()
        self._sort(call)
        secrets = self._provider.key.current()
        if isinstance(secrets, KeyProblem):
            self._fail_all(SearchFailure(secrets.message))
        else:
            self._secrets = secrets
        return self._next()

    def on_head(self, head: Head) -> Step:
        """Read the body, of a refusal as well: it says why."""
        if head.status == HTTPStatus.OK:
            return Collect(RESULT_BYTES)
        return Collect(self._provider.limits.error_body_bytes)

    def on_body(self, head: Head, body: bytes) -> Step:
        """Keep the results or the reason of the refusal, and go on with the next command."""
        if head.status != HTTPStatus.OK:
            return self._refused(head, body)
        answer = None if is_html(head.headers) else parsed(body)
        if answer is None or not self._keep(answer):
            return self._failed(form_failure(self._endpoint, head))
        return self._next()

    def on_fault(self, fault: Fault) -> Step:
        """Answer with the fault, and with what was found before it."""
        return self._failed(fault_failure(self._endpoint, fault))

    # Commands ---------------------------------------------------------------------------------------------

    def _sort(self, call: SearchCall) -> None:
        """Make tasks of the commands. One that cannot be carried out fails here, before anything is sent."""
        for query in call.queries:
            allowed = _within(query, call.allowed_domains)
            if isinstance(allowed, SearchFailure):
                self._answer.add_failure(query.text, allowed)
            else:
                self._tasks.append(_Query(allowed))
        pages = []
        for page in call.pages:
            if failure := self._page_failure(page.url, call):
                self._answer.add_failure(page.url or "open", failure)
            else:
                pages.append(page)
        if pages and self._service.opens_pages:
            self._tasks.append(_Pages(tuple(pages)))
        else:
            self._own_pages = tuple(pages)

    def _page_failure(self, url: str, call: SearchCall) -> SearchFailure | None:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:
            return NO_URL
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
            return NO_URL
        if not allows_host(call, host):
            return NOT_ALLOWED
        return NOT_LIVE if self._service.needs_live and not call.is_live else None

    def _next(self) -> Step:
        while self._tasks:
            task = self._task = self._tasks.popleft()
            request = self._written(task)
            if isinstance(request, SearchFailure):
                self._note_failure(task, request)
                continue
            self._may_wait = True
            self._sent = self._upstream_request(request)
            return Send(self._sent)
        if self._own_pages:
            # nothing of the answer is written before it is whole: Codex asks again after a cut one
            return Prepare(self._open_own_pages, self._next)
        self._note_search()
        return Answer(self._answer.reply())

    def _written(self, task: _Task) -> ServiceRequest | SearchFailure:
        service, call = self._service, self._answer.call
        if isinstance(task, _Pages):
            return service.open(task.urls, call)
        text = task.query.text
        if len(text) > service.max_characters or len(text.split()) > service.max_words:
            label, most = self._endpoint.label, f"{service.max_characters} characters"
            words = f" and {service.max_words} words"
            return SearchFailure(
                f"{label} takes at most {most}{words}: ask a shorter query.", is_final=False
            )
        return service.search(task.query, call, self._today)

    @property
    def _today(self) -> date:
        return datetime.fromtimestamp(self._provider.clock(), UTC).date()

    def _upstream_request(self, request: ServiceRequest) -> UpstreamRequest:
        endpoint = self._endpoint
        headers = HEADERS if request.body else HEADERS[1:]
        return UpstreamRequest(
            endpoint.origin,
            request.method,
            endpoint.path + request.path,
            headers,
            request.body,
            self._secrets,
            silence_seconds=self._provider.limits.search_seconds,
        )

    async def _open_own_pages(self) -> None:
        wanted, self._own_pages = self._own_pages, ()
        urls = tuple(dict.fromkeys(page.url for page in wanted))
        found = await self._provider.open_pages(urls, partial(allows_host, self._answer.call))
        self._add_pages(wanted, found)

    # Results ----------------------------------------------------------------------------------------------

    def _keep(self, answer: Mapping[str, object]) -> bool:
        """Keep what an answer holds. Return False if it does not have the form of the service's."""
        task = self._task
        if isinstance(task, _Pages):
            pages = self._service.pages(answer)
            if pages is None:
                return False
            self._add_pages(task.wanted, pages)
            return True
        hits = self._service.hits(answer)
        if hits is None or task is None:
            return False
        self._answer.add_hits(task.query, hits)
        return True

    def _add_pages(self, wanted: Sequence[PageRequest], found: Mapping[str, Page]) -> None:
        for page in wanted:
            url = page.url
            known = found.get(url) or found.get(url.rstrip("/")) or found.get(f"{url}/")
            self._answer.add_page(page, known or Page(problem="it was not found"))

    def _refused(self, head: Head, body: bytes) -> Step:
        wait = retry_after_seconds(head.headers, self._provider.clock())
        if head.status == HTTPStatus.TOO_MANY_REQUESTS and self._may_wait and self._sent:
            pause = max(wait or 0.0, LIMIT_PAUSE)
            if pause <= MAX_PAUSE:
                self._may_wait = False
                return Send(self._sent, pause)
        if head.status == HTTPStatus.UNAUTHORIZED:
            self._provider.key.refused()
        return self._failed(status_failure(self._endpoint, self._service, head, body, wait))

    def _failed(self, failure: SearchFailure) -> Step:
        if self._task:
            self._note_failure(self._task, failure)
        if failure.is_final:
            self._fail_all(NOT_ASKED)
        return self._next()

    def _fail_all(self, failure: SearchFailure) -> None:
        while self._tasks:
            self._note_failure(self._tasks.popleft(), failure)

    def _note_failure(self, task: _Task, failure: SearchFailure) -> None:
        names = task.urls if isinstance(task, _Pages) else (task.query.text,)
        for name in names:
            self._answer.add_failure(name, failure)

    def _note_search(self) -> None:
        """Note how much was asked and found. What was searched for is the user's own matter."""
        call, answer = self._answer.call, self._answer
        size = _counted(sum(len(query.text) for query in call.queries), "character", "characters")
        parts = [f"{_counted(len(call.queries), 'query', 'queries')} of {size}"]
        if call.pages:
            parts.append(_counted(len(call.pages), "page", "pages"))
        parts.append(_counted(len(answer.hits), "result", "results"))
        if answer.failures:
            parts.append(f"{len(answer.failures)} failed")
        self._request.notes.search = printable(", ".join(parts))


def _within(query: SearchQuery, allowed: tuple[str, ...]) -> SearchQuery | SearchFailure:
    """Return the query with the domains that the user's settings allow."""
    if not allowed:
        return query
    if not query.domains:
        return replace(query, domains=allowed)
    kept = tuple(domain for domain in query.domains if is_within(domain, allowed))
    return replace(query, domains=kept) if kept else NOT_ALLOWED


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
