"""The plan of a search: which requests it makes, in which order, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import orjson
import pytest

from addons.core.headers import Headers
from addons.core.limits import Limits
from addons.core.providers.web_search import LIMIT_PAUSE, SERVICES, WebSearchProvider
from addons.core.secrets import Origin, Secret, SecretHeader
from addons.core.settings.web_search import SEARCH_SERVICES, SearchEndpoint
from addons.core.turn import (
    Answer,
    ClientRequest,
    Collect,
    Fault,
    FaultKind,
    Head,
    Plan,
    Prepare,
    Send,
    Step,
)
from addons.core.upstream.api_keys import KeyProblem
from addons.core.web_search.service import Page
from tests.fakes.search_services import FOUND, found

ORIGIN = Origin("https", "search.example", 443)
NOW = 1_796_000_000.0
JSON = ((b"content-type", b"application/json"),)
URL = "https://one.example/a"


class Key:
    """A key that can be missing."""

    def __init__(self, problem: KeyProblem | None = None) -> None:
        self.problem = problem
        self.refusals = 0

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        header = SecretHeader(b"x-api-key", Secret("fabricated"), ORIGIN)
        return self.problem or (header,)

    def refused(self) -> None:
        self.refusals += 1


opened: list[Sequence[str]] = []
may_open: list[Callable[[str], bool]] = []


async def open_pages(urls: Sequence[str], allows: Callable[[str], bool]) -> Mapping[str, Page]:
    opened.append(urls)
    may_open.append(allows)
    return {url: Page("one\ntwo") for url in urls}


def provider(service: str = "brave", key: Key | None = None, **more: object) -> WebSearchProvider:
    found = WebSearchProvider(
        endpoint=SearchEndpoint(service, ORIGIN, "/base"),
        key=key or Key(),
        open_pages=open_pages,
        clock=lambda: NOW,
        limits=Limits(search_seconds=7),
    )
    return replace(found, **more)  # type: ignore[arg-type]


def asked(settings: object = None, headers: Headers = JSON, **commands: object) -> ClientRequest:
    body = {"model": "row", "commands": commands, "settings": settings or {}}
    return ClientRequest("POST", "/v1/alpha/search", headers, orjson.dumps(body))


def queries(*texts: str) -> list[dict[str, str]]:
    return [{"q": text} for text in texts]


def answered(plan: Plan, step: Step, body: object, status: int = 200) -> Step:
    """Answer the request of a step."""
    assert isinstance(step, Send)
    head = Head(status, JSON)
    assert isinstance(plan.on_head(head), Collect)
    return plan.on_body(head, body if isinstance(body, bytes) else orjson.dumps(body))


def document(step: Step) -> tuple[int, dict[str, object]]:
    assert isinstance(step, Answer)
    return step.reply.head.status, orjson.loads(step.reply.body)


def test_each_service_of_the_settings_has_a_module() -> None:
    assert list(SERVICES) == list(SEARCH_SERVICES)


def test_request_has_the_key_and_its_own_limit() -> None:
    request = asked(search_query=queries("x"))
    step = provider("exa").plan(request, "row").start()
    assert isinstance(step, Send)
    sent = step.request
    assert (sent.origin, sent.method, sent.path) == (ORIGIN, "POST", "/base/search")
    assert sent.silence_seconds == 7
    assert [(one.name, one.bound_to) for one in sent.secrets] == [(b"x-api-key", ORIGIN)]
    assert dict(sent.headers)[b"accept-encoding"] == b"identity"
    notes = request.notes
    assert (notes.slug, notes.route, notes.model, notes.label) == ("alpha/search", "exa", "row", "Exa")  # fmt: skip


def test_queries_are_asked_one_after_the_other() -> None:
    request = asked(search_query=queries("a", "b"))
    plan = provider().plan(request, "row")
    first = plan.start()
    second = answered(plan, first, found("brave", FOUND))
    status, answer = document(answered(plan, second, found("brave", ())))
    assert status == 200
    assert 'Results for "b":\n\nThere are none.' in str(answer["output"])
    assert request.notes.search == "2 queries of 2 characters, 2 results"
    assert request.notes.queries == []


def test_final_failure_ends_the_call_and_another_does_not() -> None:
    for status, requests in ((401, 1), (500, 1), (402, 1), (400, 2), (422, 2)):
        key = Key()
        plan = provider(key=key).plan(asked(search_query=queries("a", "b")), "row")
        step, count = plan.start(), 0
        while isinstance(step, Send):
            count += 1
            step = answered(plan, step, {}, status)
        assert (count, document(step)[0]) == (requests, 424), status
        assert key.refusals == (status == 401)


def test_fault_is_answered_without_a_second_request() -> None:
    plan = provider().plan(asked(search_query=queries("a")), "row")
    plan.start()
    status, answer = document(plan.on_fault(Fault(FaultKind.CUT, "x", ORIGIN)))
    assert (status, answer["error"]["code"]) == (424, "search_failed")  # type: ignore[index]


def test_limit_is_waited_for_once_in_each_request() -> None:
    plan = provider().plan(asked(search_query=queries("a", "b")), "row")
    again = answered(plan, plan.start(), {}, 429)
    assert isinstance(again, Send)
    assert again.delay == LIMIT_PAUSE
    second = answered(plan, again, found("brave", FOUND))
    again = answered(plan, second, {}, 429)
    assert isinstance(again, Send)
    assert again.delay == LIMIT_PAUSE
    assert document(answered(plan, again, {}, 429))[0] == 200
    plan = provider().plan(asked(search_query=queries("a")), "row")
    plan.start()
    long = Head(429, (*JSON, (b"retry-after", b"6")))
    assert document(plan.on_body(long, b"{}"))[0] == 429


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b""])
def test_answer_of_another_form_is_a_failure(body: bytes) -> None:
    for service in SERVICES:
        plan = provider(service).plan(asked(search_query=queries("a")), "row")
        assert document(answered(plan, plan.start(), body))[0] == 424


def test_missing_key_is_the_answer() -> None:
    plan = provider(key=Key(KeyProblem("no key"))).plan(asked(search_query=queries("a")), "row")
    status, answer = document(plan.start())
    assert (status, answer["error"]["message"]) == (424, "no key")  # type: ignore[index]


def test_query_that_is_too_long_is_not_sent() -> None:
    for text in ("x" * 401, "x " * 51):
        status, answer = document(provider().plan(asked(search_query=queries(text)), "row").start())
        assert status == 424
        assert "at most 400 characters and 50 words" in str(answer)


def test_domains_of_the_user_bound_those_of_the_model() -> None:
    settings = {"filters": {"allowed_domains": ["a.example"]}}
    query = [{"q": "x"}, {"q": "y", "domains": ["docs.a.example", "b.example"]}, {"q": "z", "domains": ["b.example"]}]  # fmt: skip
    plan = provider().plan(asked(settings, search_query=query), "row")
    step = plan.start()
    assert isinstance(step, Send)
    assert step.request.path.startswith("/base/web/search?q=x+site%3Aa.example&")
    step = answered(plan, step, found("brave", FOUND))
    assert isinstance(step, Send)
    assert step.request.path.startswith("/base/web/search?q=y+site%3Adocs.a.example&")
    _, answer = document(answered(plan, step, found("brave", ())))
    assert "z: The user's settings of Codex do not allow" in str(answer["output"])
    for url in ("https://b.example/", "https://xa.example/"):
        step = provider().plan(asked(settings, open=[{"ref_id": url}]), "row").start()
        assert "do not allow" in str(document(step)[1])
    blocked = {"filters": {"blocked_domains": ["b.example"]}}
    step = provider().plan(asked(blocked, open=[{"ref_id": "https://x.b.example/"}]), "row").start()
    assert "do not allow" in str(document(step)[1])


def test_pages_that_are_no_urls_are_not_opened() -> None:
    for url in ("turn0search0", "", "file:///etc/passwd", "http://", "https://u:p@a.example/", "https://["):  # fmt: skip
        for service in SERVICES:
            step = provider(service).plan(asked(open=[{"ref_id": url}]), "row").start()
            assert "not the URL of a page" in str(document(step)[1]), url


def test_own_pages_follow_the_searches() -> None:
    request = asked(search_query=queries("a"), open=[{"ref_id": URL}], find=[{"ref_id": URL, "pattern": "two"}])  # fmt: skip
    plan = provider(log_queries=True).plan(request, "row")
    step = answered(plan, plan.start(), found("brave", FOUND))
    assert isinstance(step, Prepare)
    asyncio.run(step.work())  # type: ignore[arg-type]
    status, answer = document(step.then())
    assert status == 200
    output = str(answer["output"])
    assert opened.pop() == (URL,)
    assert may_open.pop()("a.example")
    assert output.index('Results for "a"') < output.index("L0: one") < output.index('"two" is in 1')
    assert request.notes.search == "1 query of 1 character, 2 pages, 2 results"
    assert request.notes.queries == ["a"]


def test_pages_of_a_service_need_the_permission_to_fetch() -> None:
    stored = {"external_web_access": False}
    for service, step_type in (("exa", Send), ("tavily", Answer), ("brave", Answer)):
        step = provider(service).plan(asked(stored, open=[{"ref_id": URL}]), "row").start()
        assert isinstance(step, step_type), service


def test_page_is_found_with_or_without_its_last_slash() -> None:
    plan = provider("exa").plan(asked(open=[{"ref_id": "https://a.example"}, {"ref_id": "https://b.example/"}, {"ref_id": "https://c.example"}]), "row")  # fmt: skip
    pages = [{"url": "https://a.example/", "text": "A"}, {"url": "https://b.example", "text": "B"}]
    output = str(document(answered(plan, plan.start(), {"results": pages}))[1]["output"])
    assert "L0: A" in output
    assert "L0: B" in output
    assert "https://c.example: The page was not opened: it was not found." in output


def test_body_that_is_no_json_is_refused() -> None:
    request = ClientRequest("POST", "/v1/alpha/search", JSON, b"{")
    assert document(provider().plan(request, "row").start())[0] == 400


def test_redirects_of_own_pages_stay_within_the_domains_of_the_user() -> None:
    settings = {"filters": {"allowed_domains": ["a.example"], "blocked_domains": ["b.a.example"]}}
    step = provider().plan(asked(settings, open=[{"ref_id": "https://a.example/"}]), "row").start()
    assert isinstance(step, Prepare)
    asyncio.run(step.work())  # type: ignore[arg-type]
    allows = may_open.pop()
    assert [allows(host) for host in ("x.a.example", "b.a.example.", "c.example")] == [True, False, False]  # fmt: skip
