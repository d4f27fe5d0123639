"""Failures in words, with a status at which Codex does not ask again."""

from __future__ import annotations

import orjson

from addons.core.providers.web_search import SERVICES
from addons.core.secrets import Origin
from addons.core.settings.web_search import SearchEndpoint
from addons.core.turn import Fault, FaultKind, Head
from addons.core.web_search.failures import (
    NO_LOGIN,
    NO_SERVICE,
    NOT_SHARED,
    fault_failure,
    form_failure,
    nobody,
    parsed,
    status_failure,
)

ORIGIN = Origin("https", "search.example", 443)


def refused(service: str, status: int, body: object = None, wait: float | None = None) -> str:
    endpoint = SearchEndpoint(service, ORIGIN, "")
    data = orjson.dumps(body or {})
    failure = status_failure(endpoint, SERVICES[service], Head(status), data, wait)
    problem = failure.problem()
    assert problem.status == (429 if status == 429 else 424)
    assert failure.is_final is (status not in {400, 404, 422} or "refused the key" in failure.text)
    return failure.text


def test_each_status_says_what_to_do() -> None:
    assert "`search.formats` in its settings.yml" in refused("searxng", 403)
    assert "refused the key (HTTP 403)" in refused("exa", 403)
    wrong = {"error": {"code": "SUBSCRIPTION_TOKEN_INVALID"}}
    assert "refused the key (HTTP 422)" in refused("brave", 422, wrong)
    assert "`web_search.api_key_env` in models.json" in refused("brave", 401)
    for status in (402, 432, 433):
        assert "used up" in refused("tavily", status)
    assert "again in 9 s" in refused("tavily", 429, wait=9.4)
    assert "`web_search.base_url`" in refused("exa", 301)
    assert refused("exa", 400, {"error": "bad x"}) == "Exa (https://search.example) refused the request (HTTP 400). It says: bad x."  # fmt: skip
    assert "has a fault (HTTP 500)" in refused("exa", 500)


def test_words_of_the_service_are_short_and_printable() -> None:
    text = refused("exa", 400, {"error": "\x1b[2J" + "x" * 9000})
    assert text.isprintable()
    assert len(text) < 300


def test_faults_and_answers_of_another_form() -> None:
    endpoint = SearchEndpoint("exa", ORIGIN, "")
    fault = fault_failure(endpoint, Fault(FaultKind.STALL, "no byte for 30 s", ORIGIN))
    assert fault.text == "Exa: https://search.example was silent for too long: no byte for 30 s."
    html = Head(200, ((b"content-type", b"text/html"),))
    assert "a web page" in form_failure(endpoint, html).text
    assert "than JSON results" in form_failure(endpoint, Head(200)).text
    assert [parsed(data) for data in (b"{", b"[]", b'{"a":1}')] == [None, None, {"a": 1}]


def test_nobody_answers() -> None:
    assert "`codex-shim enable`" in nobody(NO_SERVICE).message
    assert "`codex login`" in nobody(NO_LOGIN).message
    assert "`--allow-remote`" in nobody(NOT_SHARED).message
    assert nobody(NO_SERVICE).status == 424
