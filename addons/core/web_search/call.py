"""What one call of Codex's tool `web.run` asks for: the body of `POST /alpha/search`, read.

Codex sends the arguments of the model as `commands` and the user's settings as `settings`. Source: openai/codex,
codex-rs/codex-api/src/search.rs, and requests of Codex 0.169 and 0.171. Never reads `input`, the end of the
conversation: a search service gets the queries and nothing else. Invariant: total; what has an unexpected form counts as
absent, and a kind of command that no search service has is listed in `unsupported`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from addons.core.json_values import JsonObject, as_int, as_object, as_str

MAX_QUERIES, MAX_PAGES = 4, 4
"""How many queries and pages of one call are carried out. The description of the tool allows four queries."""
UNSUPPORTED = ("image_query", "click", "screenshot", "finance", "weather", "sports", "time")
HITS = {"short": 5, "medium": 10, "long": 20}
"""Value of `response_length` → how many results of each query the model gets."""
CHARACTERS_PER_TOKEN = 4
DEFAULT_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One query."""

    text: str
    days: int | None = None
    """Only pages of so many last days."""
    domains: tuple[str, ...] = ()
    """Only pages of these domains. Empty: any."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to open, or to search for a text."""

    url: str
    line: int = 0
    """The first line to show; 0 for the beginning."""
    pattern: str = ""
    """The text to find; empty to show the page."""


@dataclass(frozen=True, slots=True)
class SearchCall:
    """One call of the tool."""

    queries: tuple[SearchQuery, ...] = ()
    pages: tuple[PageRequest, ...] = ()
    unsupported: tuple[str, ...] = ()
    """The names of commands that cannot be carried out."""
    omitted: int = 0
    """How many queries and pages are too many."""
    max_hits: int = HITS["short"]
    max_characters: int = DEFAULT_TOKENS * CHARACTERS_PER_TOKEN
    """How long the text for the model may be. Codex cuts it there."""
    allowed_domains: tuple[str, ...] = ()
    """The user allows only these. Empty: all."""
    blocked_domains: tuple[str, ...] = ()
    country: str = ""
    """The user's country, as ISO 3166-1 alpha-2."""
    is_live: bool = True
    """Whether pages may be fetched now. False: only what a service has stored (`web_search = "cached"` of Codex)."""


def read_call(payload: JsonObject) -> SearchCall:
    """Return what the body of a request asks for."""
    commands, settings = as_object(payload.get("commands")), as_object(payload.get("settings"))
    queries, pages = tuple(_queries(commands)), tuple(_pages(commands))
    filters = as_object(settings.get("filters"))
    return SearchCall(
        queries=queries[:MAX_QUERIES],
        pages=pages[:MAX_PAGES],
        unsupported=tuple(name for name in UNSUPPORTED if commands.get(name)),
        omitted=len(queries[MAX_QUERIES:]) + len(pages[MAX_PAGES:]),
        max_hits=HITS.get(as_str(commands.get("response_length")), HITS["short"]),
        max_characters=_max_characters(payload),
        allowed_domains=_domains(filters.get("allowed_domains")),
        blocked_domains=_domains(filters.get("blocked_domains")),
        country=as_str(as_object(settings.get("user_location")).get("country")),
        is_live=settings.get("external_web_access") is not False,
    )


def _queries(commands: JsonObject) -> Iterator[SearchQuery]:
    for one in _objects(commands.get("search_query")):
        text = " ".join(as_str(one.get("q")).split())
        days = as_int(one.get("recency"))
        if text:
            yield SearchQuery(
                text, days if days and days > 0 else None, _domains(one.get("domains"))
            )


def _pages(commands: JsonObject) -> Iterator[PageRequest]:
    for one in _objects(commands.get("open")):
        yield PageRequest(as_str(one.get("ref_id")).strip(), max(as_int(one.get("lineno")) or 0, 0))
    for one in _objects(commands.get("find")):
        if pattern := as_str(one.get("pattern")).strip():
            yield PageRequest(as_str(one.get("ref_id")).strip(), pattern=pattern)


def _objects(value: object) -> Iterator[JsonObject]:
    return map(as_object, value if isinstance(value, list) else ())


def _domains(value: object) -> tuple[str, ...]:
    names = (as_str(each).strip().lower() for each in (value if isinstance(value, list) else ()))
    bare = (name.partition("://")[2] or name for name in names)
    return tuple(dict.fromkeys(filter(None, (name.partition("/")[0].strip(".") for name in bare))))


def _max_characters(payload: JsonObject) -> int:
    tokens = as_int(payload.get("max_output_tokens")) or DEFAULT_TOKENS
    return max(tokens, 1) * CHARACTERS_PER_TOKEN


def allows_host(call: SearchCall, host: str) -> bool:
    """Return whether the user's settings of Codex allow pages of a host."""
    if call.allowed_domains and not is_within(host, call.allowed_domains):
        return False
    return not is_within(host, call.blocked_domains)


def is_within(host: str, domains: tuple[str, ...]) -> bool:
    """Return whether a host is one of these domains or below one. A dot at its end is that of the root."""
    host = host.removesuffix(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)
