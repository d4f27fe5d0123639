"""Requests that Tavily answers, and its results."""

from __future__ import annotations

import json

from addons.core.web_search.call import SearchQuery
from addons.core.web_search.service import Hit, Page
from addons.core.web_search.tavily import Tavily
from tests.core.web_search.requests import CALL, QUERIES, TODAY, refusal
from tests.fakes.search_services import FOUND, found


def test_every_query_is_one_that_the_service_answers() -> None:
    for query in QUERIES:
        assert refusal("tavily", Tavily().search(query, CALL, TODAY)) is None, query


def test_results() -> None:
    hits = Tavily().hits(found("tavily", FOUND))
    assert hits == [Hit(*one) for one in FOUND]
    assert Tavily().hits({"results": 7}) is None


def test_parameters() -> None:
    body = json.loads(Tavily().search(SearchQuery("x", 7, ("a.example",)), CALL, TODAY).body)
    assert (body["start_date"], body["max_results"]) == ("2026-11-23", 20)
    assert (body["include_domains"], body["exclude_domains"]) == (["a.example"], ["bad.example"])


def test_pages() -> None:
    request = Tavily().open(("https://a.example/",), CALL)
    assert refusal("tavily", request) is None
    answer = {
        "results": [{"url": "a", "raw_content": "text"}],
        "failed_results": [{"url": "b", "error": "gone"}, 7],
    }
    found = Tavily().pages(answer)
    assert found is not None
    assert (found["a"], found["b"]) == (Page("text"), Page(problem="gone"))
    assert Tavily().pages({}) is None


def test_words_of_a_refusal() -> None:
    assert Tavily().words({"detail": {"error": "no"}}) == "no"
    assert Tavily().words({"detail": "no"}) == "no"
