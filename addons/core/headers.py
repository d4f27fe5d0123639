"""Header lists: lookup, and what the routes that pass requests and answers through send on.

Never does: add a secret, know a provider. Invariant: `upstream_headers` returns only headers that Codex and the SDKs of
OpenAI and Anthropic are known to send, and none that carries a credential of the client, frames a message or belongs to
one hop, however its name is spelt.

Newer models fail when a header of Codex is missing, and Codex adds new ones, so its families are allowed as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter

from addons.core.secrets import is_credential_name

Headers = tuple[tuple[bytes, bytes], ...]
"""In the sender's order and case."""

TOKEN_HEADER = "x-codex-shim-token"  # noqa: S105  a header's name
"""Carries the local token. A header of its own: Codex drops the user's login when Authorization is set."""
TOKEN_HEADER_BYTES = TOKEN_HEADER.encode()

CLIENT_CREDENTIALS: frozenset[bytes] = frozenset(
    {
        b"api-key",
        b"authorization",
        b"chatgpt-account-id",
        b"cookie",
        b"proxy-authorization",
        b"sec-websocket-protocol",
        b"x-api-key",
        TOKEN_HEADER_BYTES,
        b"x-goog-api-key",
    }
)
"""Request headers that are removed from the client's request before its flow exists. Canonical names.

Sec-WebSocket-Protocol is one of them: browsers send `openai-insecure-api-key.…` in it.
"""

REDACTION_LABEL = b"<kept by codex-shim>"
"""Stands in a flow in place of a credential. A client that sends it itself gains nothing: it is removed like any value."""

TARGET_LABEL = "kept-by-codex-shim"
"""The label in a request target, where blanks and angle brackets are not allowed."""

HOP_BY_HOP: frozenset[bytes] = frozenset(
    {
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110, 7.6.1, and the headers that older proxies send."""

KNOWN_HEADERS: frozenset[bytes] = frozenset(
    [b"accept", b"accept-language", b"anthropic-beta", b"anthropic-dangerous-direct-browser-access", b"anthropic-version", b"content-encoding", b"content-language", b"content-type", b"conversation-id", b"idempotency-key", b"originator", b"session-id", b"thread-id", b"traceparent", b"tracestate", b"user-agent", b"version", b"x-app", b"x-client-request-id", b"x-responses-lite"]
)  # fmt: skip
"""Request headers of Codex 0.133 to 0.171 and of the OpenAI and Anthropic SDKs, apart from their families. Canonical."""
HEADER_FAMILIES = (
    b"x-codex-",
    b"x-openai-",
    b"openai-",
    b"x-oai-",
    b"oai-",
    b"x-stainless-",
    b"x-responsesapi-",
)
"""Beginnings of the names that Codex and the SDKs add to."""
NOT_CREDENTIALS = KNOWN_HEADERS | {
    b"if-match", b"if-none-match", b"sec-websocket-extensions", b"sec-websocket-key", b"sec-websocket-version",
}  # fmt: skip
"""Headers whose values may be long and random without being credentials."""
KNOWN_PARAMETERS = frozenset(
    {"api-version", "beta", "client_version", "include", "include[]", "stream"}
)
"""Query parameters of Codex, Azure and the SDKs that a route which passes requests through sends on."""
_PARAMETER_VALUE = re.compile(r"[\w.,:%-]{0,64}")

_NOT_UPSTREAM = (
    HOP_BY_HOP
    | CLIENT_CREDENTIALS
    | (NOT_CREDENTIALS - KNOWN_HEADERS)
    | {b"accept-encoding", b"content-length", b"host", TOKEN_HEADER_BYTES}
)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""The tab is none of them."""
_name, _value = itemgetter(0), itemgetter(1)


_LAST_LOOKUP: list[tuple[Headers, dict[bytes, bytes]]] = [((), {})]
"""The headers of the last lookup, and their values by name: a turn looks the same headers up about twenty times."""


def by_name(headers: Headers) -> Mapping[bytes, bytes]:
    """Return the first value of each header, by its name in lower case."""
    known, values = _LAST_LOOKUP[0]
    if known is not headers:
        # the first of several values comes last, and stays
        values = {key.lower(): value for key, value in reversed(headers)}
        _LAST_LOOKUP[0] = headers, values
    return values


def header(headers: Headers, name: bytes) -> bytes | None:
    """Return the first value of a header (`name` in lower case), or None."""
    return by_name(headers).get(name)


def media_type(headers: Headers) -> bytes:
    """Return the media type of a message: lower case, without parameters, empty when there is none."""
    return _media_type_of(by_name(headers).get(b"content-type", b""))


@lru_cache(64)
def _media_type_of(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def is_html(headers: Headers) -> bool:
    """Whether a message is an HTML page. APIs send none, so a gateway or a challenge page answered instead."""
    return media_type(headers) == b"text/html"


@lru_cache(256)
def canonical(name: bytes) -> bytes:
    """Return a header name in the form that is compared. Some servers treat `_` as `-`, so this does too."""
    return name.strip().lower().replace(b"_", b"-")


@lru_cache(256)
def is_known(name: bytes) -> bool:
    """Whether Codex or an SDK is known to send a header of this canonical name, without a credential in it."""
    if name in NOT_CREDENTIALS:
        return True
    return name.startswith(HEADER_FAMILIES) and not is_credential_name(name.decode("latin-1"))


def upstream_headers(headers: Headers) -> Headers:
    """Return the client's request headers that a native upstream receives, in order and case.

    `accept-encoding` becomes `identity`: a closing event cannot be appended to a compressed stream.
    """
    passed = _passed_on(headers, _goes_upstream)
    plain = [each for each in passed if each[1] != REDACTION_LABEL]
    return (*plain, (b"accept-encoding", b"identity"))


def upstream_query(query: str) -> str:
    """Return the part of a client's query that a native upstream receives: known parameters with plain values."""
    if not query:
        return ""
    pairs = (one.partition("=") for one in query.split("&"))
    return "&".join(
        f"{name}{equals}{value}"
        for name, equals, value in pairs
        if name in KNOWN_PARAMETERS and value != TARGET_LABEL and _PARAMETER_VALUE.fullmatch(value)
    )


def client_headers(headers: Headers) -> Headers:
    """Return the upstream's response headers that the client receives, in order and case."""
    return tuple(_passed_on(headers, _goes_downstream))


def bad_header(headers: Headers) -> str | None:
    """Return the name of the first header that must not be sent, in printable form, or None."""
    name = bad_name(headers)
    return None if name is None else ascii(name.decode("latin-1"))[1:-1][:80]


def bad_name(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the name of the first header that must not be sent, or None.

    That is a header whose name is not a token, or whose value holds a control character other than a tab.
    """
    fields = tuple(headers)
    values = b"\t".join(map(_value, fields))
    if _CONTROL.search(values) is None and all(map(_NAME.fullmatch, map(_name, fields))):
        # nearly every head
        return None
    return next(
        (name for name, value in fields if not _NAME.fullmatch(name) or _CONTROL.search(value)),
        None,
    )


@lru_cache(256)
def _goes_upstream(name: bytes) -> bool:
    plain = canonical(name)
    return plain not in _NOT_UPSTREAM and is_known(plain)


@lru_cache(256)
def _goes_downstream(name: bytes) -> bool:
    return canonical(name) not in HOP_BY_HOP


def _passed_on(headers: Headers, goes_on: Callable[[bytes], bool]) -> list[tuple[bytes, bytes]]:
    """Return the headers whose names go on, but for those that `connection` names."""
    passed = [(name.strip(), value) for name, value in headers if goes_on(name)]
    if b"connection" not in map(canonical, dict(headers)):
        return passed
    values = [value for name, value in headers if canonical(name) == b"connection"]
    named = {canonical(name) for value in values for name in value.split(b",")}
    return [each for each in passed if canonical(each[0]) not in named]
