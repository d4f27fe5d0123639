"""What the services share."""

from __future__ import annotations

import pytest

from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import WithoutPages, hits_in, results_in, with_sites


def test_domains_become_operators() -> None:
    assert with_sites(SearchQuery("x")) == "x"
    assert with_sites(SearchQuery("x", domains=("a",))) == "x site:a"
    assert with_sites(SearchQuery("x", domains=("a", "b"))) == "x (site:a OR site:b)"


def test_results_are_a_list_of_objects() -> None:
    assert results_in({"results": [{"a": 1}, 7]}) == [{"a": 1}, {}]
    assert results_in({"results": {}}) is None


def test_service_without_pages_is_not_asked_for_one() -> None:
    with pytest.raises(AssertionError):
        WithoutPages().open(("u",), SearchCall())
    with pytest.raises(AssertionError):
        WithoutPages().pages({})


def test_date_of_a_result_is_a_day_or_as_the_service_writes_it() -> None:
    dates = {"2026-11-30T10:00:00Z": "2026-11-30", "Mon, 30 Nov 2026 10:00:00 GMT": "Mon, 30 Nov 2026 10:00:00 GMT", "": ""}  # fmt: skip
    for written, shown in dates.items():
        found = hits_in({"results": [{"url": "u", "title": "t", "when": written}]}, "text", "when")
        assert found is not None
        assert found[0].date == shown
    assert hits_in({"results": None}, "text", "when") is None
