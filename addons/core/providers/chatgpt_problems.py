"""What a user is told when the ChatGPT route has no answer of the backend to pass on: words only.

Never does: decide what is sent, quote an upstream's text. Invariant: nothing of an upstream's head or page reaches a
message but a cf-ray and a host name, both checked; no text holds a secret.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from addons.core.credential import Origin
from addons.core.errors import JSON_HEADERS, Problem, told
from addons.core.headers import bad_header
from addons.core.login import LoginProblem
from addons.core.turn import ClientRequest, Head, Reply

STOP = "invalid_prompt"
"""The code that makes Codex stop and show the message."""
KEPT_HEADERS = frozenset({b"retry-after", b"cf-ray"})

_CHALLENGE_MARKS = (b"cloudflare", b"just a moment")
_CF_RAY = re.compile(rb"[0-9A-Za-z-]{1,64}")
_HOST = re.compile(r"[0-9A-Za-z.:-]{1,255}")


def login_problem(request: ClientRequest, problem: LoginProblem) -> Problem:
    """No usable login."""
    return Problem(401, _final(request, f"login_{problem.kind}"), problem.message)


def unknown_path_problem(request: ClientRequest) -> Problem:
    """A path that the backend does not have under this route."""
    return Problem(
        404,
        _final(request, "unknown_path"),
        "codex-shim sends only /v1/responses and /v1/responses/compact to ChatGPT. Check the client's base_url: "
        "it must end in /v1.",
    )


def bad_header_problem(name: str) -> Problem:
    """A request header that must not be written to a wire."""
    return Problem(
        400,
        STOP,
        f"codex-shim did not send this request on: its header {name} has an odd name or holds a control character. "
        "Remove it in the client's settings (http_headers), then try again.",
    )


def redirect_problem(request: ClientRequest, head: Head, origin: Origin) -> Problem:
    """A redirect: following it would carry the login to another place."""
    return Problem(
        502,
        _final(request, "upstream_redirect"),
        f"{origin} answered HTTP {head.status}, a redirect to {_location_host(head, origin)}. codex-shim never "
        "follows one with your login. Check CODEX_SHIM_CHATGPT_BASE_URL and the network, then `codex-shim doctor`.",
    )


def html_reply(request: ClientRequest, head: Head, body: bytes, origin: Origin) -> Reply:
    """An HTML page where an API answer belongs. An error keeps its status, retry-after and cf-ray.

    A 200 has no status to keep: it becomes a 502, or a failed stream for Codex, which tries a 502 thirty times.
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
        f"{origin} in a browser on this machine, then try again; if it stays, use another network or VPN exit.",
    )
    if not failed:
        return told(problem, to_codex=request.is_codex)
    return Reply(Head(head.status, (*JSON_HEADERS, *_kept(head))), problem.body())


def _final(request: ClientRequest, code: str) -> str:
    """The code for clients that read codes; Codex is told to stop."""
    return STOP if request.is_codex else code


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
