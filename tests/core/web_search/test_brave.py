"""Requests that Brave answers, and its results."""

from __future__ import annotations

from addons.core.web_search.brave import Brave
from addons.core.web_search.call import SearchQuery
from addons.core.web_search.service import Hit
from tests.core.web_search.requests import CALL, QUERIES, TODAY, refusal
from tests.fakes.search_services import FOUND, found


def test_every_query_is_one_that_the_service_answers() -> None:
    for query in QUERIES:
        assert refusal("brave", Brave().search(query, CALL, TODAY)) is None, query


def test_results() -> None:
    hits = Brave().hits(found("brave", FOUND))
    assert hits == [Hit(*one) for one in FOUND]


def test_days_are_a_range_of_dates() -> None:
    path = Brave().search(SearchQuery("x", 7), CALL, TODAY).path
    assert path.endswith("freshness=2026-11-23to2026-11-30")


def test_no_results_are_an_answer_and_another_form_is_none() -> None:
    assert Brave().hits({"type": "search"}) == []
    assert Brave().hits({"results": []}) is None


def test_words_of_a_refusal() -> None:
    assert Brave().words({"error": {"code": "C", "detail": "d"}}) == "C d"
    assert Brave().words({}) == ""
