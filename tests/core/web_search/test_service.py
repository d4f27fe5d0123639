"""What the services share."""

from __future__ import annotations

import pytest

from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import WithoutPages, results_in, with_sites


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
