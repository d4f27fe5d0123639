"""Error messages of the ChatGPT route, for turns without an answer of the backend.

Never decides what is sent or quotes an upstream's text. Invariant: a message holds nothing of an upstream's head or
page but a cf-ray and a host name, both checked; no message holds a secret.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from addons.core.codex.login import Login, LoginKind, LoginProblem
from addons.core.errors import INVALID_PROMPT, JSON_HEADERS, Problem, error_reply
from addons.core.headers import bad_header, is_html
from addons.core.secrets import Origin
from addons.core.turn import ClientRequest, Head, Reply

KEPT_HEADERS = frozenset({b"retry-after", b"cf-ray"})

_CHALLENGE_MARKS = (b"cloudflare", b"just a moment")
_CF_RAY = re.compile(rb"[0-9A-Za-z-]{1,64}")
_HOST = re.compile(r"[0-9A-Za-z.:-]{1,255}")


def login_problem(request: ClientRequest, problem: LoginProblem) -> Problem:
    """Return the problem for a missing login."""
    return Problem(401, _final(request, f"login_{problem.kind}"), problem.message)


def changed_login_problem(login: Login) -> LoginProblem:
    """Return the problem of a login of another kind than the route's."""
    return LoginProblem(
        LoginKind.CHANGED,
        f"Codex is now logged in with another kind of login ({login.method}), so this model is not available. "
        "Type `codex-shim enable`, then restart Codex.",
    )


def unknown_path_problem(request: ClientRequest) -> Problem:
    """Return the problem for a path that this route does not forward."""
    return Problem(
        404,
        _final(request, "unknown_path"),
        "codex-shim sends only /v1/responses and /v1/responses/compact to ChatGPT. Check the client's base_url: "
        "it must end in /v1.",
    )


def bad_header_problem(name: str) -> Problem:
    """Return the problem for a request header that cannot be sent."""
    return Problem(
        400,
        INVALID_PROMPT,
        f"codex-shim did not send this request on: its header {name} has an invalid name or holds a control character. "
        "Remove it in the client's settings (http_headers), then try again.",
    )


def redirect_problem(request: ClientRequest, head: Head, origin: Origin) -> Problem:
    """Return the problem for a redirect. Following it would send the login to another server."""
    return Problem(
        502,
        _final(request, "upstream_redirect"),
        f"{origin} answered HTTP {head.status}, a redirect to {_location_host(head, origin)}. codex-shim never "
        "follows one with your login. Check CODEX_SHIM_CHATGPT_BASE_URL and the network, then `codex-shim doctor`.",
    )


def html_reply(request: ClientRequest, head: Head, body: bytes, origin: Origin) -> Reply:
    """Return the reply for an HTML page in place of an API answer. An error keeps its status, retry-after and cf-ray.

    A 200 becomes a 502, or a failed stream for Codex, which would retry a 502 thirty times.
    """
    if _is_challenge(head, body):
        code, page = "cloudflare_challenge", "a Cloudflare page"
    else:
        code, page = "upstream_html", "an HTML page"
    failed = head.status >= HTTPStatus.BAD_REQUEST
    problem = Problem(
        head.status if failed else HTTPStatus.BAD_GATEWAY,
        code,
        f"{origin} answered HTTP {head.status} with {page} instead of an API answer (cf-ray {_cf_ray(head)}). Open "
        f"{origin} in a browser on this machine, then try again; if the problem persists, use another network or VPN exit.",
    )
    if not failed:
        return error_reply(problem, to_codex=request.expects_stream)
    return Reply(Head(head.status, (*JSON_HEADERS, *_kept(head))), problem.body())


def _final(request: ClientRequest, code: str) -> str:
    """Return the code for the client. A turn of Codex gets the code at which it stops."""
    return INVALID_PROMPT if request.expects_stream else code


def _kept(head: Head) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name, value)
        for name, value in head.headers
        if name.lower() in KEPT_HEADERS and bad_header(((name, value),)) is None
    )


def _cf_ray(head: Head) -> str:
    ray = head.header(b"cf-ray") or b""
    return ray.decode() if _CF_RAY.fullmatch(ray) else "not given"


def _is_challenge(head: Head, body: bytes) -> bool:
    if head.header(b"cf-ray") is not None or head.header(b"cf-mitigated") is not None:
        return True
    page = body.lower()
    return any(mark in page for mark in _CHALLENGE_MARKS)


def _location_host(head: Head, origin: Origin) -> str:
    location = (head.header(b"location") or b"").decode("latin-1")
    try:
        host = urlsplit(location).hostname or origin.host
    except ValueError:
        return "an unreadable address"
    return host if _HOST.fullmatch(host) else "an unreadable address"


def is_redirect(head: Head) -> bool:
    """Return whether an answer names another place to ask."""
    redirects = HTTPStatus.MULTIPLE_CHOICES <= head.status < HTTPStatus.BAD_REQUEST
    return redirects and head.status != HTTPStatus.NOT_MODIFIED


def is_page(head: Head) -> bool:
    """Return whether an HTML page came in place of an API answer."""
    answers = head.status == HTTPStatus.OK or head.status >= HTTPStatus.BAD_REQUEST
    return answers and is_html(head.headers)
