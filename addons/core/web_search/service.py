"""The vocabulary between the plan of a search and the search services: requests, results and pages.

A service is one module: it writes requests and reads answers. Never does: send, wait, or hold a key. Invariant: reading
an answer is total. None says that the answer does not have the form of the service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.web_search.call import SearchCall, SearchQuery


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """A request without origin, base path and key."""

    method: str
    path: str
    """Path and query, after the base path."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    url: str
    title: str
    text: str = ""
    """What the page says about the query."""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page, or why there is none."""

    text: str = ""
    problem: str = ""


class SearchService(Protocol):
    """One kind of search service."""

    max_characters: int
    """The longest query that it takes."""
    max_words: int
    opens_pages: bool
    """Whether it returns the text of a page by its URL."""
    needs_live: bool
    """Whether it fetches such a page at that moment, so that `SearchCall.is_live` decides."""

    def search(self, query: SearchQuery, call: SearchCall, today: date) -> ServiceRequest:
        """Return the request of a query."""

    def hits(self, answer: JsonObject) -> list[Hit] | None:
        """Return the results in an answer."""

    def open(self, urls: tuple[str, ...], call: SearchCall) -> ServiceRequest:
        """Return the request of the text of pages. Only where `opens_pages` is true."""

    def pages(self, answer: JsonObject) -> Mapping[str, Page] | None:
        """Return the pages in an answer, by URL."""

    def words(self, answer: JsonObject) -> str:
        """Return what a refusal says; empty if it says nothing."""


class WithoutPages:
    """Base of the services that return no text of a page."""

    opens_pages = False
    needs_live = True

    def open(self, urls: tuple[str, ...], call: SearchCall) -> ServiceRequest:
        """Raise AssertionError: the plan looks at `opens_pages` first."""
        raise AssertionError(urls, call)

    def pages(self, answer: JsonObject) -> Mapping[str, Page] | None:
        """Raise AssertionError: the plan looks at `opens_pages` first."""
        raise AssertionError(answer)


def hits_in(answer: JsonObject, text: str, published: str) -> list[Hit] | None:
    """Return the results of an answer whose text and date have these names; None if it holds no list of results."""
    found = results_in(answer)
    if found is None:
        return None
    return [
        Hit(
            as_str(one.get("url")),
            as_str(one.get("title")),
            as_str(one.get(text)),
            _day(as_str(one.get(published))),
        )
        for one in found
    ]


def _day(moment: str) -> str:
    """Return the date of an ISO time, and any other form as it is."""
    return moment[:10] if moment[4:5] == "-" else moment


def first_day(days: int, today: date) -> date:
    """Return the day that many days before today, or the first one that there is."""
    return today - timedelta(days=min(days, today.toordinal() - 1))


def results_in(answer: JsonObject) -> list[JsonObject] | None:
    """Return the objects of `results`."""
    found = answer.get("results")
    return [as_object(one) for one in found] if isinstance(found, list) else None


def with_sites(query: SearchQuery) -> str:
    """Return a query with its domains as `site:` operators, for a service without a parameter for them."""
    sites = " OR ".join(f"site:{domain}" for domain in query.domains)
    if len(query.domains) > 1:
        sites = f"({sites})"
    return f"{query.text} {sites}".strip()
