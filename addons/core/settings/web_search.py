"""Who answers the web searches of rows: the `web_search` section of models.json as a value, and the known services.

Never reads an environment variable, a file or a host name. Invariant: total; a key is in a `KeyRef` from the moment it
is read. `addons.core.settings.web_search_schema` checks the fields, and is imported only for a file that has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from addons.core.secrets import Origin
from addons.core.settings.key_refs import SecretHeaderSpec
from addons.core.upstream.api_keys import BEARER, X_API_KEY, AuthScheme

CHATGPT = "ChatGPT"


@dataclass(frozen=True, slots=True)
class SearchServiceSpec:
    """One kind of search service."""

    label: str
    """Its name for people."""
    base_url: str
    """Its own address; empty for a service that everybody runs for themselves."""
    auth: AuthScheme
    variables: tuple[str, ...]
    """The variables that usually hold its key."""
    suffix: str = ""
    """An end of `base_url` that is not a part of it: people copy the address of a search."""


SEARCH_SERVICES: Mapping[str, SearchServiceSpec] = {
    "searxng": SearchServiceSpec("SearXNG", "", BEARER, (), suffix="/search"),
    "brave": SearchServiceSpec(
        "Brave Search",
        "https://api.search.brave.com/res/v1",
        AuthScheme(b"x-subscription-token"),
        ("BRAVE_API_KEY", "BRAVE_SEARCH_API_KEY"),
        suffix="/web/search",
    ),
    "tavily": SearchServiceSpec(
        "Tavily", "https://api.tavily.com", BEARER, ("TAVILY_API_KEY",), suffix="/search"
    ),
    "exa": SearchServiceSpec(
        "Exa", "https://api.exa.ai", X_API_KEY, ("EXA_API_KEY",), suffix="/search"
    ),
}
"""Value of `web_search.service` → the service. Sources: docs.searxng.org/dev/search_api.html,
api-dashboard.search.brave.com/api-reference, docs.tavily.com/api-reference, exa.ai/docs/reference; November 2026."""


@dataclass(frozen=True, slots=True)
class SearchEndpoint:
    """A search service at its address, with its key."""

    service: str
    """A key of `SEARCH_SERVICES`."""
    origin: Origin
    path: str
    """The path before that of each request: it begins with a slash and ends without one, or is empty."""
    key: SecretHeaderSpec | None = None

    @property
    def label(self) -> str:
        """The name of the service for people."""
        return SEARCH_SERVICES[self.service].label


@dataclass(frozen=True, slots=True)
class WebSearch:
    """Who answers the searches of rows. `chatgpt` comes first where there is a login."""

    chatgpt: bool = False
    """Whether the user's ChatGPT login answers them."""
    endpoint: SearchEndpoint | None = None
    log_queries: bool = False
    """Whether the access log holds what was searched for."""

    @property
    def is_configured(self) -> bool:
        """Whether anybody answers."""
        return self.chatgpt or self.endpoint is not None

    @property
    def label(self) -> str:
        """Who answers, for people; empty for nobody."""
        names = ([CHATGPT] if self.chatgpt else []) + (
            [self.endpoint.label] if self.endpoint else []
        )
        return ", else ".join(names)


NO_WEB_SEARCH = WebSearch()
