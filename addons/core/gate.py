"""Who may ask for what: decided from the request's head alone, before anything of it is believed.

Any web page can make a browser send requests to 127.0.0.1, and a rebound DNS name makes them look local. So the Host
must be a loopback name (or one the user allows), nothing may come from another origin, and the target must be a plain
path: the shim is no forward proxy. There are no CORS headers, ever.

Other users of the machine are no browsers: against them there is the local token, once there is one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from addons.core.credential import Secret
from addons.core.errors import Problem
from addons.core.headers import Headers, canonical

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_OWN_SITES = frozenset({b"none", b"same-origin"})
_NAVIGATION = {(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")}
"""A tab of its own is opened, by a link or a file: who sent it there can read nothing of it."""
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Knock:
    """The head of a request as its client sent it."""

    authority: str
    """Host header or :authority."""
    is_origin_form: bool
    """Whether the request target is a plain path."""
    headers: Headers
    opens_page: bool = False
    """Whether it GETs a document that holds nothing of the user's."""


def is_loopback_address(address: str) -> bool:
    """Whether a peer address is this machine: decided on the parsed address, never on its text."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def refusal(knock: Knock, allowed_hosts: AbstractSet[str] = frozenset()) -> Problem | None:
    """Give the answer for a request that may not come in, or None."""
    if not knock.is_origin_form:
        return _refused("its target is an absolute URL, and codex-shim is not a forward proxy")
    if _host_of(knock.authority) not in LOOPBACK_NAMES | allowed_hosts:
        return _refused(
            "its Host is not a name of this machine; "
            "set CODEX_SHIM_ALLOWED_HOSTS to allow another one"
        )
    if _comes_from_elsewhere(knock):
        return _refused("a web page sent it (Origin or Sec-Fetch-Site names another site)")
    if any(_CONTROL.search(value) for _, value in knock.headers):
        return Problem(
            400,
            "bad_request",
            "codex-shim refuses this request: a header holds a control character.",
        )
    return None


@dataclass(frozen=True, slots=True)
class TokenRule:
    """Whether turns and our own data take the local token. Required without an expected one: nothing passes."""

    required: bool = False
    expected: Secret | None = None
    place: str = ""
    """The file that holds it, for the words of a refusal."""


NO_TOKEN = TokenRule()


def token_refusal(
    rule: TokenRule, method: str, path: str, presented: Secret | None
) -> Problem | None:
    """Give the answer for a request without the right local token, or None. `path` is without `/v1`."""
    if not rule.required or not (method == "POST" or path.startswith("/api/")):
        return None
    if rule.expected is None:
        return Problem(
            403,
            "local_token_unusable",
            f"codex-shim lets nobody in: it wants a local token, and {rule.place} holds none. "
            "Make one with `codex-shim start`, or set CODEX_SHIM_REQUIRE_TOKEN=0.",
        )
    if presented is None:
        return Problem(
            401,
            "local_token_missing",
            f"codex-shim wants its local token: send the header x-codex-shim-token with what is in {rule.place}. "
            "`codex-shim enable` and `codex-shim codex` give it to Codex.",
        )
    if not rule.expected.matches(presented):
        return Problem(
            403,
            "local_token_wrong",
            f"codex-shim refuses this local token: the right one is in {rule.place}. "
            "If Codex sent it, run `codex-shim enable` again.",
        )
    return None


def _host_of(authority: str) -> str | None:
    match = _AUTHORITY.fullmatch(authority.lower())
    return (match["v6"] or match["name"]) if match else None


def _comes_from_elsewhere(knock: Knock) -> bool:
    own_origin = b"http://" + knock.authority.lower().encode()
    headers = [(canonical(name), value) for name, value in knock.headers]
    if any(name == b"origin" and value.lower() != own_origin for name, value in headers):
        return True
    is_foreign = any(n == b"sec-fetch-site" and value not in _OWN_SITES for n, value in headers)
    return is_foreign and not (knock.opens_page and set(headers) >= _NAVIGATION)


def _refused(reason: str) -> Problem:
    return Problem(403, "request_refused", f"codex-shim refuses this request: {reason}.")
