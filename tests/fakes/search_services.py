"""A fake of each search service, as strict as the real one: `tests.strict.search_services` says what it refuses.

A request that is not refused gets the next answer of the script, or without one the same two results. Invariant: a refused
request consumes no answer, and is kept in `refused`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from typing import Self

from tests.fakes.http_messages import Answer, Request, Send
from tests.fakes.http_server import HttpServer
from tests.strict.search_services import VALIDATORS, Json

JSON_TYPE = ((b"content-type", b"application/json"),)
BASE_PATHS = {"searxng": "", "brave": "/res/v1", "tavily": "", "exa": ""}
FOUND = (
    ("https://one.example/greetings", "Greetings & more", "How people greet each other."),
    ("https://docs.two.example/hello", "Hello", "A page about greetings."),
)
PAGE = "Greetings\n\nPeople say hello.\nSome say good day."
MISSING = "https://missing.example/"
"""A page that no service can return."""


def reply(document: object, status: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer in JSON."""
    return Answer(
        (Send(json.dumps(document).encode()),), status, (*JSON_TYPE, *headers), chunked=False
    )


class SearchServiceFake:
    """One service on a port of 127.0.0.1, for use as a context manager."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.refused: list[Request] = []
        self.speaks_json = True
        """Of SearXNG: whether `json` is in `search.formats`."""
        self._script: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._server = HttpServer(self._respond)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    @property
    def base_url(self) -> str:
        """The value of `web_search.base_url`."""
        return f"http://127.0.0.1:{self._server.port}{BASE_PATHS[self.service]}"

    @property
    def requests(self) -> list[Request]:
        """Every request, refused ones included."""
        return self._server.requests

    @property
    def client_left(self) -> threading.Event:
        """Set when a client disconnected before its answer ended."""
        return self._server.client_left

    def play(self, *answers: Answer) -> None:
        """Append answers to the script."""
        self._script.extend(answers)

    def _respond(self, request: Request) -> Answer:
        refusal = VALIDATORS[self.service](request)
        if refusal:
            self.refused.append(request)
            return reply(refusal.body, refusal.status)
        if self.service == "searxng" and not self.speaks_json:
            return Answer(
                (Send(b"<title>403 Forbidden</title>"),), 403, ((b"content-type", b"text/html"),)
            )
        with self._lock:
            if self._script:
                return self._script.popleft()
        if request.path in {"/extract", "/contents"}:
            return reply(_pages(self.service, json.loads(request.body)["urls"]))
        return reply(found(self.service, FOUND))


def found(service: str, hits: tuple[tuple[str, str, str], ...]) -> Json:
    """Return the results of a search in the form of a service."""
    named = {"searxng": "content", "brave": "description", "tavily": "content", "exa": "text"}[
        service
    ]
    results = [{"url": url, "title": title, named: text} for url, title, text in hits]
    if service == "brave":
        marked = [{**one, "title": str(one["title"]).replace("&", "&amp;")} for one in results]
        return {"type": "search", "query": {}, "web": {"type": "search", "results": marked}}
    extra: Mapping[str, Json] = {
        "searxng": {"query": "q", "number_of_results": 0, "unresponsive_engines": []},
        "tavily": {"query": "q", "response_time": 1.0},
        "exa": {"requestId": "r", "costDollars": {"total": 0.005}},
    }
    return {**extra[service], "results": results}


def _pages(service: str, urls: list[str]) -> Json:
    here = [url for url in urls if url != MISSING]
    missing = [url for url in urls if url == MISSING]
    if service == "tavily":
        failed = [{"url": url, "error": "Failed to fetch url"} for url in missing]
        pages = [{"url": url, "raw_content": PAGE, "images": []} for url in here]
        return {"results": pages, "failed_results": failed, "response_time": 1.0}
    error = {"tag": "CRAWL_NOT_FOUND", "httpStatusCode": 404}
    statuses = [
        *({"id": url, "status": "success", "source": "cached"} for url in here),
        *({"id": url, "status": "error", "error": error} for url in missing),
    ]
    results = [{"id": url, "url": url, "title": "Greetings", "text": PAGE} for url in here]
    return {"requestId": "r", "results": results, "statuses": statuses}
