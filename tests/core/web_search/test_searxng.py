"""Requests that SearXNG answers, and its results."""

from __future__ import annotations

from addons.core.web_search.call import SearchQuery
from addons.core.web_search.searxng import SearXNG
from addons.core.web_search.service import Hit
from tests.core.web_search.requests import CALL, QUERIES, TODAY, refusal
from tests.fakes.search_services import FOUND, found


def test_every_query_is_one_that_the_service_answers() -> None:
    for query in QUERIES:
        assert refusal("searxng", SearXNG().search(query, CALL, TODAY)) is None, query


def test_results() -> None:
    hits = SearXNG().hits(found("searxng", FOUND))
    assert hits == [Hit(*one) for one in FOUND]
    assert SearXNG().hits({"results": 7}) is None


def test_range_is_the_shortest_that_has_the_days() -> None:
    spans = {1: "day", 7: "month", 32: "year", 400: ""}
    for days, span in spans.items():
        path = SearXNG().search(SearchQuery("x", days), CALL, TODAY).path
        assert path.partition("time_range=")[2] == span, days


def test_words_of_a_refusal() -> None:
    assert SearXNG().words({"error": "no"}) == "no"
    assert SearXNG().words({}) == ""
