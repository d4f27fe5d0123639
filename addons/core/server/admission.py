"""Which requests are admitted. Decided from the request's head alone, before any of its content is used.

Threats: any web page can make a browser send requests to 127.0.0.1, and a rebound DNS name makes them look local.
Therefore the Host must be a loopback name or one that the user allows, nothing may come from another web origin, and
the target must be a plain path, because the shim is no forward proxy. There are never any CORS headers.

Other users of the machine are not bound by a browser. The local token keeps them out, once there is one.

A lenient reader here and a strict one elsewhere would see two different requests in the same bytes. mitmproxy and h11
are lenient, so heads, chunk lines and trailers of HTTP/1 are checked before they read them, against the grammar that RFC
9112 tells a server to enforce. A line ends with CRLF: RFC 9112, 2.2, lets a server take a bare LF for a line end, but others
take it for a part of a value. Invariant: what is accepted has one meaning under RFC 9112.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from addons.core.errors import Problem
from addons.core.headers import TOKEN_HEADER, Headers, canonical
from addons.core.secrets import Secret

METRICS = "/metrics"
"""The path that Prometheus asks for by default."""
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SITE_HEADERS = frozenset({b"origin", b"sec-fetch-site"})
_OWN_SITES = frozenset({b"none", b"same-origin"})
_NAVIGATION = {(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")}
"""A browser opens a tab, from a link or a file. The page that holds the link cannot read the tab."""
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_value = itemgetter(1)


class RequestHead(NamedTuple):
    """The head of a request as its client sent it, as far as admission needs it."""

    authority: str
    """Host header or :authority."""
    is_origin_form: bool
    """Whether the request target is a plain path."""
    headers: Headers
    opens_page: bool = False
    """Whether it is a GET of a document that holds no data of the user."""


@lru_cache(64)
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
    if _CONTROL.search(b" ".join(map(_value, head.headers))):
        return Problem(
            400,
            "bad_request",
            "codex-shim refuses this request: a header holds a control character.",
        )
    return None


@dataclass(frozen=True, slots=True)
class TokenRule:
    """Whether turns, `/api/` and the metrics need the local token. Required without an expected one: nothing is admitted."""

    required: bool = False
    expected: Secret | None = None
    path: str = ""
    """The file that holds the token, for the error messages."""


NO_TOKEN = TokenRule()


def token_refusal(
    rule: TokenRule, method: str, path: str, presented: Sequence[Secret]
) -> Problem | None:
    """Return the error for a request without the right local token, or None. `path` is without `/v1`.

    Of several tokens each must be the right one: who reads the request elsewhere may take another one than this code.
    """
    if not rule.required or not (method == "POST" or path.startswith("/api/") or path == METRICS):
        return None
    if rule.expected is None:
        return Problem(
            403,
            "local_token_unusable",
            f"codex-shim refuses this request: a local token is required, and {rule.path} holds no usable one. "
            "Run `codex-shim start` to create one, or set CODEX_SHIM_REQUIRE_TOKEN=0.",
        )
    if not presented:
        return Problem(
            401,
            "local_token_missing",
            f"codex-shim requires its local token: send the content of {rule.path} in the header {TOKEN_HEADER}. "
            "`codex-shim enable` and `codex-shim codex` configure Codex to send it.",
        )
    if not all(map(rule.expected.matches, presented)):
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
    if _SITE_HEADERS.isdisjoint(map(canonical, dict(head.headers))):
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


_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
"""A field value. CR, NUL and every other control character but the tab are invalid (RFC 9110, 5.5)."""
_FIELDS = rb"(?:" + _TOKEN + rb":" + _TEXT + rb"\r\n)*"
"""Field lines: no line folding, and nothing between name and colon (RFC 9112, 5.1 and 5.2)."""
_HEAD = re.compile(_TOKEN + rb" [\x21-\x7e]+ HTTP/1\.([01])\r\n" + _FIELDS)
_TRAILERS = re.compile(_FIELDS)
_FRAMING = re.compile(
    # Blanks are stripped afterwards, and a value without a line end is found as well: quadratic time otherwise.
    rb"\n(transfer-encoding|content-length|host):([^\r]*)(\r(?=\n))?",
    re.IGNORECASE,
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = (
    rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
)
_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}(?:" + _EXTENSION + rb")*")


def is_valid_head(head: bytes) -> bool:
    """Return whether a request head has exactly one meaning. `head` ends with the line end of its last line."""
    if (line := _HEAD.fullmatch(head)) is None:
        return False
    found = [
        (name.lower(), value.strip(b" \t")) for name, value, end in _FRAMING.findall(head) if end
    ]
    fields: dict[bytes, bytes] = dict(found)
    is_http11 = line[1] == b"1"
    if len(fields) < len(found) or (is_http11 and b"host" not in fields):
        return False
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None:
        # no other coding is decoded here, and an HTTP/1.0 client cannot mean one
        return is_http11 and length is None and coding.lower() == b"chunked"
    return length is None or is_valid_length(length)


def is_valid_length(value: bytes) -> bool:
    """Return whether this is a content-length that a body can have (RFC 9110, 8.6)."""
    return _LENGTH.fullmatch(value) is not None


def is_valid_chunk_line(line: bytes) -> bool:
    """Return whether this is the size of a chunk, with its extensions if it has any. `line` has no line end."""
    return _CHUNK_LINE.fullmatch(line) is not None


def are_valid_trailers(lines: bytes) -> bool:
    """Return whether these are field lines, each with its line end."""
    return _TRAILERS.fullmatch(lines) is not None
