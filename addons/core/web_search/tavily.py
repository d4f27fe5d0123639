"""Tavily: `POST /search` and `POST /extract` with a bearer.

Source: docs.tavily.com/api-reference/endpoint/search and /extract, November 2026: `max_results` is 0 to 20, a query has
at most 400 characters, /extract takes at most 20 URLs. A used-up plan is a 432 or 433.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import orjson

from addons.core.json_values import JsonDict, JsonObject, as_object, as_str
from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import Hit, Page, ServiceRequest, first_day, hits_in, results_in

MAX_RESULTS = 20


class Tavily:
    """The requests and answers of Tavily."""

    max_characters, max_words = 400, 400
    opens_pages = True
    needs_live = True

    def search(self, query: SearchQuery, call: SearchCall, today: date) -> ServiceRequest:
        """Return the request of a query. A basic search costs one credit."""
        body: JsonDict = {
            "query": query.text,
            "search_depth": "basic",
            "max_results": min(call.max_hits, MAX_RESULTS),
        }
        if query.domains:
            body["include_domains"] = list(query.domains)
        if call.blocked_domains:
            body["exclude_domains"] = list(call.blocked_domains)
        if query.days:
            since = first_day(query.days, today)
            body["start_date"] = since.isoformat()
        return ServiceRequest("POST", "/search", orjson.dumps(body))

    def hits(self, answer: JsonObject) -> list[Hit] | None:
        """Return the results in an answer."""
        return hits_in(answer, "content", "published_date")

    def open(self, urls: tuple[str, ...], call: SearchCall) -> ServiceRequest:  # noqa: ARG002  the signature of `SearchService`
        """Return the request of the text of pages. Five basic extractions cost one credit."""
        body = {"urls": list(urls), "extract_depth": "basic", "format": "markdown"}
        return ServiceRequest("POST", "/extract", orjson.dumps(body))

    def pages(self, answer: JsonObject) -> Mapping[str, Page] | None:
        """Return the pages in an answer, by URL."""
        found = results_in(answer)
        if found is None:
            return None
        failed = answer.get("failed_results")
        problems = map(as_object, failed if isinstance(failed, list) else ())
        return {
            **{as_str(one.get("url")): Page(problem=as_str(one.get("error"))) for one in problems},
            **{as_str(one.get("url")): Page(as_str(one.get("raw_content"))) for one in found},
        }

    def words(self, answer: JsonObject) -> str:
        """Return what a refusal says."""
        detail = answer.get("detail")
        return as_str(detail) or as_str(as_object(detail).get("error"))
