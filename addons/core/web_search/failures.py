"""Why a search service gave no result, in words for the model and the user, with the next step.

Never quotes an answer that is not the service's own error text, nor more than a line of it. Invariant: total, and the
status is one that Codex does not send again: it repeats a search four times after a 5xx (0.171), and each may be paid.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import orjson

from addons.core.errors import Problem, problem_of
from addons.core.headers import is_html
from addons.core.json_values import JsonObject, as_object
from addons.core.settings.web_search import SearchEndpoint
from addons.core.turn import Fault, Head, printable
from addons.core.web_search.service import SearchService

SEARCH_FAILED = "search_failed"
TYPE = "web_search_error"
_KEY_CODES = ("SUBSCRIPTION_TOKEN_INVALID",)
"""Words of a refused key that come with a status for something else."""
_USED_UP = frozenset({HTTPStatus.PAYMENT_REQUIRED, 432, 433})
_REFUSED_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True, slots=True)
class SearchFailure:
    """One failed request. `is_final`: the next request of the same call would fail as well."""

    text: str
    is_final: bool = True
    is_limit: bool = False
    """Whether the service limits how often it is asked."""

    def problem(self) -> Problem:
        """Return the failure as the answer to the whole call."""
        status = HTTPStatus.TOO_MANY_REQUESTS if self.is_limit else HTTPStatus.FAILED_DEPENDENCY
        return Problem(status, SEARCH_FAILED, self.text, TYPE)


def parsed(body: bytes) -> JsonObject | None:
    """Return a JSON object; None for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return as_object(value) if isinstance(value, dict) else None


def fault_failure(endpoint: SearchEndpoint, fault: Fault) -> SearchFailure:
    """Return the failure of a request that had no answer."""
    return SearchFailure(f"{endpoint.label}: {problem_of(fault).message}")


def form_failure(endpoint: SearchEndpoint, head: Head) -> SearchFailure:
    """Return the failure of an answer that cannot be read."""
    what = "a web page" if is_html(head.headers) else "something else than JSON results"
    return SearchFailure(
        f"{_where(endpoint)} answered with {what}. Check `web_search.base_url` in models.json."
    )


def status_failure(
    endpoint: SearchEndpoint, service: SearchService, head: Head, body: bytes, wait: float | None
) -> SearchFailure:
    """Return the failure of a refusal. `wait`: the seconds to wait that the service requests."""
    words = printable(service.words(parsed(body) or {}))
    said = f" It says: {words}." if words else ""
    status, where = head.status, _where(endpoint)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        text = f"{where} answered HTTP {status}, a redirect, which codex-shim does not follow with a query and a key."
        return SearchFailure(f"{text} Correct `web_search.base_url` in models.json.")
    if endpoint.service == "searxng" and status == HTTPStatus.FORBIDDEN:
        text = f"{where} does not answer in JSON (HTTP 403)."
        return SearchFailure(f"{text} Add `json` to `search.formats` in its settings.yml.{said}")
    if status in _REFUSED_KEY or any(code in words for code in _KEY_CODES):
        return SearchFailure(
            f"{where} refused the key (HTTP {status}).{said} {_key_advice(endpoint)}"
        )
    if status in _USED_UP:
        return SearchFailure(f"The credits of {where} are used up (HTTP {status}).{said}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        again = f" It can be asked again in {wait:.0f} s." if wait else ""
        return SearchFailure(f"{where} was asked too often (HTTP 429).{again}{said}", is_limit=True)
    is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    what = "has a fault" if is_fault else "refused the request"
    return SearchFailure(f"{where} {what} (HTTP {status}).{said}", is_final=is_fault)


def _where(endpoint: SearchEndpoint) -> str:
    return f"{endpoint.label} ({endpoint.origin})"


def _key_advice(endpoint: SearchEndpoint) -> str:
    field = endpoint.key.field if endpoint.key else "web_search.api_key_env"
    return f"Correct `{field}` in models.json."


NO_SERVICE = (
    "codex-shim has nobody to ask: name a search service in `web_search` of models.json, such as "
    '{"service": "brave", "api_key_env": "BRAVE_API_KEY"}, then type `codex-shim enable` and start Codex again.'
)
NO_LOGIN = (
    "The searches of this model go to your ChatGPT login (`web_search.chatgpt` in models.json), and there is none. "
    "Type `codex login`, or name a `service` there as well."
)
NOT_SHARED = (
    "The searches of this model go to the ChatGPT login of the user who runs codex-shim, which it uses for nobody else: "
    "it accepts clients of other machines (`--allow-remote`) without the local token. Name a `service` in `web_search` "
    "of models.json as well."
)


def nobody(reason: str) -> Problem:
    """Return the answer to a search that nobody may answer. `reason` is one of those above."""
    text = f"This model cannot search the web. {reason}"
    return Problem(HTTPStatus.FAILED_DEPENDENCY, "search_not_configured", text, TYPE)
