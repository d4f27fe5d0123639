"""Exa: `POST /search` and `POST /contents` with the key in `x-api-key`.

Source: exa.ai/docs/reference/search, /get-contents, /livecrawling-contents and /error-codes, November 2026:
`maxAgeHours: -1` returns only what Exa has stored, and a page that cannot be had is an entry of `statuses` in a 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import orjson

from addons.core.json_values import JsonDict, JsonObject, as_object, as_str
from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import Hit, Page, ServiceRequest, first_day, hits_in, results_in

TEXT_CHARACTERS = 800
"""How much of each result Exa returns."""
STORED_ONLY = -1
_COUNTRY_LENGTH = 2


class Exa:
    """The requests and answers of Exa."""

    max_characters, max_words = 2000, 400
    opens_pages = True
    needs_live = False

    def search(self, query: SearchQuery, call: SearchCall, today: date) -> ServiceRequest:
        """Return the request of a query."""
        body: JsonDict = {
            "query": query.text,
            "type": "auto",
            "numResults": call.max_hits,
            "contents": {"text": {"maxCharacters": TEXT_CHARACTERS}, **_age(call)},
        }
        if query.domains:
            body["includeDomains"] = list(query.domains)
        elif call.blocked_domains:
            body["excludeDomains"] = list(call.blocked_domains)
        if query.days:
            since = first_day(query.days, today)
            body["startPublishedDate"] = f"{since.isoformat()}T00:00:00.000Z"
        if len(call.country) == _COUNTRY_LENGTH:
            body["userLocation"] = call.country
        return ServiceRequest("POST", "/search", orjson.dumps(body))

    def hits(self, answer: JsonObject) -> list[Hit] | None:
        """Return the results in an answer."""
        return hits_in(answer, "text", "publishedDate")

    def open(self, urls: tuple[str, ...], call: SearchCall) -> ServiceRequest:
        """Return the request of the text of pages."""
        body = {"urls": list(urls), "text": True, **_age(call)}
        return ServiceRequest("POST", "/contents", orjson.dumps(body))

    def pages(self, answer: JsonObject) -> Mapping[str, Page] | None:
        """Return the pages in an answer, by URL."""
        found = results_in(answer)
        if found is None:
            return None
        statuses = answer.get("statuses")
        failed = map(as_object, statuses if isinstance(statuses, list) else ())
        return {
            **{
                as_str(one.get("id")): Page(problem=as_str(as_object(one.get("error")).get("tag")))
                for one in failed
                if one.get("status") == "error"
            },
            **{as_str(one.get("url")): Page(as_str(one.get("text"))) for one in found},
        }

    def words(self, answer: JsonObject) -> str:
        """Return what a refusal says."""
        return " ".join(filter(None, (as_str(answer.get("tag")), as_str(answer.get("error")))))


def _age(call: SearchCall) -> JsonDict:
    return {} if call.is_live else {"maxAgeHours": STORED_ONLY}
