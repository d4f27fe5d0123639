"""Which requests are admitted. Decided from the request's head alone, before any of its content is used.

Threats: any web page can make a browser send requests to 127.0.0.1, and a rebound DNS name makes them look local.
Therefore the Host must be a loopback name or one that the user allows, nothing may come from another web origin, and
the target must be a plain path, because the shim is no forward proxy. There are never any CORS headers.

Other users of the machine are not bound by a browser. The local token keeps them out, once there is one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from addons.core.errors import Problem
from addons.core.headers import TOKEN_HEADER, Headers, canonical
from addons.core.secrets import Secret

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SITE_HEADERS = frozenset({b"origin", b"sec-fetch-site"})
_OWN_SITES = frozenset({b"none", b"same-origin"})
_NAVIGATION = {(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")}
"""A browser opens a tab, from a link or a file. The page that holds the link cannot read the tab."""
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class RequestHead(NamedTuple):
    """The head of a request as its client sent it, as far as admission needs it."""

    authority: str
    """Host header or :authority."""
    is_origin_form: bool
    """Whether the request target is a plain path."""
    headers: Headers
    opens_page: bool = False
    """Whether it is a GET of a document that holds no data of the user."""


def is_loopback_address(address: str) -> bool:
    """Whether a peer address is this machine: decided on the parsed address, never on its text."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def refusal(head: RequestHead, allowed_hosts: AbstractSet[str] = frozenset()) -> Problem | None:
    """Return the error for a request that is not admitted, or None."""
    if not head.is_origin_form:
        return _refused("its target is an absolute URL, and codex-shim is not a forward proxy")
    host = _host_of(head.authority)
    if host not in LOOPBACK_NAMES and host not in allowed_hosts:
        return _refused(
            "its Host is not a name of this machine; "
            "set CODEX_SHIM_ALLOWED_HOSTS to allow another one"
        )
    if _is_cross_origin(head):
        return _refused("a web page sent it (Origin or Sec-Fetch-Site names another site)")
    if _CONTROL.search(b" ".join([value for _, value in head.headers])):
        return Problem(
            400,
            "bad_request",
            "codex-shim refuses this request: a header holds a control character.",
        )
    return None


@dataclass(frozen=True, slots=True)
class TokenRule:
    """Whether turns and `/api/` need the local token. Required without an expected one: nothing is admitted."""

    required: bool = False
    expected: Secret | None = None
    path: str = ""
    """The file that holds the token, for the error messages."""


NO_TOKEN = TokenRule()


def token_refusal(
    rule: TokenRule, method: str, path: str, presented: Secret | None
) -> Problem | None:
    """Return the error for a request without the right local token, or None. `path` is without `/v1`."""
    if not rule.required or not (method == "POST" or path.startswith("/api/")):
        return None
    if rule.expected is None:
        return Problem(
            403,
            "local_token_unusable",
            f"codex-shim refuses this request: a local token is required, and {rule.path} holds no usable one. "
            "Run `codex-shim start` to create one, or set CODEX_SHIM_REQUIRE_TOKEN=0.",
        )
    if presented is None:
        return Problem(
            401,
            "local_token_missing",
            f"codex-shim requires its local token: send the content of {rule.path} in the header {TOKEN_HEADER}. "
            "`codex-shim enable` and `codex-shim codex` configure Codex to send it.",
        )
    if not rule.expected.matches(presented):
        return Problem(
            403,
            "local_token_wrong",
            f"codex-shim refuses this local token: the right one is in {rule.path}. "
            "If Codex sent it, run `codex-shim enable` again.",
        )
    return None


@lru_cache(16)
def _host_of(authority: str) -> str | None:
    match = _AUTHORITY.fullmatch(authority.lower())
    return (match["v6"] or match["name"]) if match else None


def _is_cross_origin(head: RequestHead) -> bool:
    if _SITE_HEADERS.isdisjoint([canonical(name) for name, _ in head.headers]):
        return False
    headers = [(canonical(name), value) for name, value in head.headers]
    origins = [value for name, value in headers if name == b"origin"]
    own_origin = b"http://" + head.authority.lower().encode()
    if any(origin.lower() != own_origin for origin in origins):
        return True
    sites = {value for name, value in headers if name == b"sec-fetch-site"}
    return not sites <= _OWN_SITES and not (head.opens_page and set(headers) >= _NAVIGATION)


def _refused(reason: str) -> Problem:
    return Problem(403, "request_refused", f"codex-shim refuses this request: {reason}.")
