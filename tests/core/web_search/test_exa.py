"""Requests that Exa answers, and its results."""

from __future__ import annotations

import json
from dataclasses import replace

from addons.core.web_search.call import SearchQuery
from addons.core.web_search.exa import Exa
from addons.core.web_search.service import Hit, Page
from tests.core.web_search.requests import CALL, QUERIES, TODAY, refusal
from tests.fakes.search_services import FOUND, found


def test_every_query_is_one_that_the_service_answers() -> None:
    for query in QUERIES:
        assert refusal("exa", Exa().search(query, CALL, TODAY)) is None, query


def test_results() -> None:
    hits = Exa().hits(found("exa", FOUND))
    assert hits == [Hit(*one) for one in FOUND]
    assert Exa().hits({"results": 7}) is None


def test_parameters() -> None:
    body = json.loads(Exa().search(SearchQuery("x", 7, ("a.example",)), CALL, TODAY).body)
    assert body["startPublishedDate"] == "2026-11-23T00:00:00.000Z"
    assert (body["includeDomains"], body["userLocation"]) == (["a.example"], "DE")
    # Exa takes one of the two lists
    assert "excludeDomains" not in body
    assert json.loads(Exa().search(SearchQuery("x"), CALL, TODAY).body)["excludeDomains"] == [
        "bad.example"
    ]


def test_stored_pages_only() -> None:
    stored = replace(CALL, is_live=False)
    for request in (
        Exa().search(SearchQuery("x"), stored, TODAY),
        Exa().open(("https://a.example/",), stored),
    ):
        assert refusal("exa", request) is None
        assert b'"maxAgeHours":-1' in request.body
    assert b"maxAgeHours" not in Exa().open(("https://a.example/",), CALL).body


def test_pages() -> None:
    error = {"tag": "CRAWL_NOT_FOUND", "httpStatusCode": 404}
    answer = {
        "results": [{"url": "a", "text": "text"}],
        "statuses": [
            {"id": "a", "status": "success"},
            {"id": "b", "status": "error", "error": error},
        ],
    }
    assert Exa().pages(answer) == {"a": Page("text"), "b": Page(problem="CRAWL_NOT_FOUND")}
    assert Exa().pages({}) is None


def test_words_of_a_refusal() -> None:
    assert Exa().words({"tag": "T", "error": "e"}) == "T e"
