"""SearXNG: `GET /search?format=json` of an instance of the user's.

An instance answers 403 until `json` is one of `search.formats` in its settings.yml. Source:
docs.searxng.org/dev/search_api.html, November 2026. Never asks for more than the first page of results.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from addons.core.json_values import JsonObject, as_str
from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import Hit, ServiceRequest, WithoutPages, hits_in, with_sites

RANGES = ((1, "day"), (31, "month"), (366, "year"))
"""Days → the shortest `time_range` that has them all."""


class SearXNG(WithoutPages):
    """The requests and answers of an instance."""

    max_characters, max_words = 2000, 400

    def search(self, query: SearchQuery, call: SearchCall, today: date) -> ServiceRequest:  # noqa: ARG002  the signature of `SearchService`
        """Return the request of a query. How many results come is a setting of the instance."""
        wanted = {"q": with_sites(query), "format": "json"}
        if query.days:
            span = next((name for days, name in RANGES if query.days <= days), "")
            wanted |= {"time_range": span} if span else {}
        return ServiceRequest("GET", f"/search?{urlencode(wanted)}")

    def hits(self, answer: JsonObject) -> list[Hit] | None:
        """Return the results in an answer."""
        return hits_in(answer, "content", "publishedDate")

    def words(self, answer: JsonObject) -> str:
        """Return what a refusal says."""
        return as_str(answer.get("error")) or as_str(answer.get("message"))
