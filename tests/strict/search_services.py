"""What the search services refuse: method, path, key, and parameters that they do not have or that are out of range.

Sources, November 2026: docs.searxng.org/dev/search_api.html; api-dashboard.search.brave.com/api-reference/web/search/get;
docs.tavily.com/api-reference/endpoint/search and /extract; exa.ai/docs/reference/search, /get-contents and /error-codes.
Never does: repair a request. Invariant: None for a request that the service would answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from tests.fakes.http_messages import Request

Json = dict[str, object]
KEY = "fabricated-search-key"
DATE = r"\d{4}-\d\d-\d\d"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, in the form of the service's."""

    status: int
    body: Json


Validate = Callable[[Request], Refusal | None]
Check = Callable[[object], bool]


def _text(longest: int) -> Check:
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest


def _number(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(*known: str) -> Check:
    return lambda value: value in known


def _matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _texts(most: int) -> Check:
    def check(value: object) -> bool:
        if not isinstance(value, list) or not 0 < len(value) <= most:
            return False
        return all(isinstance(each, str) and each for each in value)

    return check


def _unknown(_value: object) -> bool:
    return False


def _wrong(values: Mapping[str, object], known: Mapping[str, Check], required: str) -> str:
    """Return the first parameter that is unknown, out of range or missing; empty if there is none."""
    if required not in values:
        return required
    return next(
        (name for name, value in values.items() if not known.get(name, _unknown)(value)), ""
    )


def _query(request: Request) -> dict[str, object]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}


def _body(request: Request) -> dict[str, object] | None:
    if request.header("content-type") != "application/json":
        return None
    try:
        value = json.loads(request.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# SearXNG ----------------------------------------------------------------------------------------------------

SEARXNG: Mapping[str, Check] = {
    "q": _text(10_000),
    "format": _one_of("json"),
    "categories": _text(100),
    "engines": _text(100),
    "language": _text(20),
    "pageno": _matches(r"[1-9]\d*"),
    "time_range": _one_of("day", "month", "year"),
    "safesearch": _one_of("0", "1", "2"),
}


def searxng(request: Request) -> Refusal | None:
    """Check a request for an instance with `json` in `search.formats`."""
    if request.path != "/search":
        return Refusal(404, {"error": "Not Found"})
    if request.method not in {"GET", "POST"}:
        return Refusal(405, {"error": "Method Not Allowed"})
    wrong = _wrong(_query(request), SEARXNG, "q")
    return Refusal(400, {"error": f"Invalid value for parameter {wrong}"}) if wrong else None


# Brave ------------------------------------------------------------------------------------------------------

BRAVE: Mapping[str, Check] = {
    "q": _text(400),
    "country": _matches("[A-Z]{2}"),
    "search_lang": _text(10),
    "ui_lang": _text(10),
    "count": _matches(r"[1-9]|1\d|20"),
    "offset": _matches(r"\d"),
    "safesearch": _one_of("off", "moderate", "strict"),
    "freshness": _matches(f"p[dwmy]|{DATE}to{DATE}"),
    "result_filter": _text(100),
    "extra_snippets": _one_of("true", "false"),
}
MAX_WORDS = 50


def _brave_error(status: int, code: str, detail: str) -> Refusal:
    error: Json = {"id": "1", "status": status, "code": code, "detail": detail}
    return Refusal(status, {"type": "ErrorResponse", "error": error, "time": 1})


def brave(request: Request) -> Refusal | None:
    """Check a request to `GET /res/v1/web/search`."""
    if request.path != "/res/v1/web/search":
        return _brave_error(404, "RESOURCE_NOT_FOUND", "Not found")
    if request.method != "GET" or request.body:
        return _brave_error(405, "METHOD_NOT_ALLOWED", "Method not allowed")
    if request.header("x-subscription-token") != KEY:
        detail = "The provided subscription token is invalid."
        return _brave_error(422, "SUBSCRIPTION_TOKEN_INVALID", detail)
    if request.header("accept") not in {"application/json", "*/*"}:
        return _brave_error(422, "VALIDATION", "header accept")
    query = _query(request)
    wrong = _wrong(query, BRAVE, "q")
    if wrong or len(str(query["q"]).split()) > MAX_WORDS:
        return _brave_error(
            422, "VALIDATION", f"Unable to validate request parameter {wrong or 'q'}"
        )
    return None


# Tavily -----------------------------------------------------------------------------------------------------

TAVILY_SEARCH: Mapping[str, Check] = {
    "query": _text(400),
    "search_depth": _one_of("basic", "advanced", "fast", "ultra-fast"),
    "topic": _one_of("general", "news", "finance"),
    "max_results": _number(0, 20),
    "time_range": _one_of("day", "week", "month", "year", "d", "w", "m", "y"),
    "start_date": _matches(DATE),
    "end_date": _matches(DATE),
    "include_domains": _texts(300),
    "exclude_domains": _texts(150),
}
TAVILY_EXTRACT: Mapping[str, Check] = {
    "urls": _texts(20),
    "extract_depth": _one_of("basic", "advanced"),
    "format": _one_of("markdown", "text"),
}


def tavily(request: Request) -> Refusal | None:
    """Check a request to `POST /search` or `/extract`."""
    known = {"/search": (TAVILY_SEARCH, "query"), "/extract": (TAVILY_EXTRACT, "urls")}
    if request.path not in known:
        return Refusal(404, {"detail": "Not Found"})
    if request.method != "POST":
        return Refusal(405, {"detail": "Method Not Allowed"})
    if request.header("authorization") != f"Bearer {KEY}":
        return Refusal(401, {"detail": {"error": "Unauthorized: missing or invalid API key."}})
    body = _body(request)
    fields, required = known[request.path]
    wrong = "body" if body is None else _wrong(body, fields, required)
    return Refusal(400, {"detail": {"error": f"Invalid {wrong}"}}) if wrong else None


# Exa --------------------------------------------------------------------------------------------------------


def _exa_contents(value: object) -> bool:
    known: Mapping[str, Check] = {"text": _exa_text, "maxAgeHours": _number(-1, 720)}
    return isinstance(value, dict) and not _wrong(value, known, "text")


def _exa_text(value: object) -> bool:
    if isinstance(value, dict):
        return not _wrong(value, {"maxCharacters": _number(1, 100_000)}, "maxCharacters")
    return isinstance(value, bool)


EXA_SEARCH: Mapping[str, Check] = {
    "query": _text(10_000),
    "type": _one_of("auto", "neural", "fast", "deep"),
    "numResults": _number(1, 100),
    "includeDomains": _texts(1200),
    "excludeDomains": _texts(1200),
    "startPublishedDate": _matches(DATE + r"T\d\d:\d\d:\d\d\.\d{3}Z"),
    "userLocation": _matches("[A-Z]{2}"),
    "contents": _exa_contents,
}
EXA_CONTENTS: Mapping[str, Check] = {
    "urls": _texts(100),
    "text": _exa_text,
    "maxAgeHours": _number(-1, 720),
}


def _exa_error(status: int, tag: str, error: str) -> Refusal:
    return Refusal(status, {"requestId": "r", "error": error, "tag": tag})


def exa(request: Request) -> Refusal | None:
    """Check a request to `POST /search` or `/contents`."""
    known = {"/search": (EXA_SEARCH, "query"), "/contents": (EXA_CONTENTS, "urls")}
    if request.path not in known or request.method != "POST":
        return _exa_error(404, "NOT_FOUND", "Cannot find it")
    if request.header("x-api-key") != KEY:
        return _exa_error(401, "INVALID_API_KEY", "Invalid API key")
    body = _body(request)
    fields, required = known[request.path]
    wrong = "body" if body is None else _wrong(body, fields, required)
    if wrong or (body and "includeDomains" in body and "excludeDomains" in body):
        return _exa_error(400, "INVALID_REQUEST_BODY", f"Invalid {wrong or 'domains'}")
    return None


VALIDATORS: Mapping[str, Validate] = {
    "searxng": searxng,
    "brave": brave,
    "tavily": tavily,
    "exa": exa,
}
