"""What the tests of the services share: a query, and the check of a request by the oracle of its service."""

from __future__ import annotations

from datetime import date

from addons.core.web_search.call import SearchCall, SearchQuery
from addons.core.web_search.service import ServiceRequest
from tests.fakes.http_messages import Request
from tests.fakes.search_services import BASE_PATHS
from tests.strict.search_services import KEY, VALIDATORS

TODAY = date(2026, 11, 30)
CALL = SearchCall(max_hits=20, country="DE", blocked_domains=("bad.example",))
QUERIES = (
    SearchQuery("x"),
    SearchQuery("Grüße & more?", 7, ("one.example", "two.example")),
    SearchQuery("x", 1, ("one.example",)),
    SearchQuery("x", 10**9),
)


def refusal(service: str, request: ServiceRequest) -> object:
    """Return what the service objects to; None for a request that it answers."""
    keys = {
        "searxng": "",
        "brave": f"\r\nx-subscription-token: {KEY}",
        "tavily": f"\r\nauthorization: Bearer {KEY}",
        "exa": f"\r\nx-api-key: {KEY}",
    }
    kind = "\r\ncontent-type: application/json" if request.body else ""
    line = f"{request.method} {BASE_PATHS[service]}{request.path} HTTP/1.1"
    head = f"{line}\r\naccept: application/json{keys[service]}{kind}".encode()
    return VALIDATORS[service](Request(head, request.body))
