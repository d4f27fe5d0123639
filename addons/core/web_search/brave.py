"""Brave Search: `GET /web/search` with the key in `X-Subscription-Token`.

Source: api-dashboard.search.brave.com/api-reference/web/search/get, November 2026: `count` is 1 to 20, and a query has at
most 400 characters and 50 words. A wrong key is a 422 with the code SUBSCRIPTION_TOKEN_INVALID.
"""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from urllib.parse import urlencode

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import (
    Hit,
    ServiceRequest,
    WithoutPages,
    first_day,
    results_in,
    with_sites,
)

MAX_COUNT = 20
_MARKS = re.compile(r"</?strong>")
"""What Brave puts around the words of the query."""


class Brave(WithoutPages):
    """The requests and answers of Brave."""

    max_characters, max_words = 400, 50

    def search(self, query: SearchQuery, call: SearchCall, today: date) -> ServiceRequest:
        """Return the request of a query."""
        wanted = {"q": with_sites(query), "count": str(min(call.max_hits, MAX_COUNT))}
        if query.days:
            since = first_day(query.days, today)
            wanted["freshness"] = f"{since.isoformat()}to{today.isoformat()}"
        return ServiceRequest("GET", f"/web/search?{urlencode(wanted)}")

    def hits(self, answer: JsonObject) -> list[Hit] | None:
        """Return the results in an answer. One without results has no `web`."""
        if answer.get("type") != "search":
            return None
        return [
            Hit(
                as_str(one.get("url")),
                _plain(one.get("title")),
                _plain(one.get("description")),
                as_str(one.get("page_age"))[:10],
            )
            for one in results_in(as_object(answer.get("web"))) or ()
        ]

    def words(self, answer: JsonObject) -> str:
        """Return what a refusal says."""
        error = as_object(answer.get("error"))
        return " ".join(filter(None, (as_str(error.get("code")), as_str(error.get("detail")))))


def _plain(text: object) -> str:
    return unescape(_MARKS.sub("", as_str(text)))
