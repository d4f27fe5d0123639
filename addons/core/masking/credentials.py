"""Credentials of a client, recognised by their shape: the name of a field, or the form of its value.

A list of names cannot be complete: each gateway has a header or a query parameter of its own. So a field is a
credential when its name says so, or when its value has the form of a key. Names that Codex and the SDKs are known to
send are the exceptions, because some of their values are long and random. Headers and targets that are kept for views
have a label in the place of each such value.

Never does: decide what travels upstream (`headers` does). Invariant: a value that has the prefix of a known kind of key
is a credential under any name; the plain value of a credential is in no returned target or header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from addons.core.headers import (
    CLIENT_CREDENTIALS,
    KNOWN_PARAMETERS,
    REDACTION_LABEL,
    TARGET_LABEL,
    Headers,
    canonical,
    is_known,
)
from addons.core.secrets import Secret, is_credential_name, looks_secret

_KINDS = r"(?:sk|pk|rk|gsk|xai|nvapi|fw|pplx|r8|hf|csk|tvly|gh[oprsu]|github_pat|glpat|xox[a-z]|npm|pypi)"
KEY_PREFIXED = (
    r"(?:[a-z]{0,12}[-_])?" + _KINDS + r"[-_][\w.-]{8,}"
    r"|AIza[\w-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|eyJ[\w-]{6,}\.[\w.-]+"
)
"""The forms of keys of known kinds."""
_PREFIXED = re.compile(KEY_PREFIXED)
_SCHEME = re.compile(
    r"(?:bearer|basic|digest|negotiate|token|apikey|api-key|key)[ \t]+\S{4,}"
    r"|aws4-hmac-sha256[ \t].+|-----begin .+|[a-z][a-z0-9+.-]*://[^/@\s:]*:[^/@\s]+@.*",
    re.IGNORECASE | re.DOTALL,
)
_INSIDE = re.compile(
    r"(?<![\w-])(?:" + _PREFIXED.pattern + r")|\bbearer[ \t]+\S{8,}|\b(?:token|secret|password|api[_-]?key)[=:][^\s&;,]{8,}",
    re.IGNORECASE,
)  # fmt: skip
_GLUED = re.compile(_KINDS + r"[-_](?P<rest>[\w.-]*+)", re.IGNORECASE)
"""What may be a key in the middle of a word. Without a part that is long and random it is none: `task-list`."""
_GLUED_GOOGLE = re.compile(r"AIza[\w-]{20,}", re.IGNORECASE)
_RUN = re.compile(r"[a-z0-9]{12,}", re.IGNORECASE)
_HEADER_WORDS = frozenset({"login", "pin", "pw", "session"})
_PARAMETER_WORDS = _HEADER_WORDS | {"access", "code", "k", "p", "s", "t"}
"""Words of the names of a client's fields whose short values give access. In other places they say nothing."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OF_TOKEN = re.compile(r"[A-Za-z0-9+/_=.~-]+")
_RANDOM_PARTS = (re.compile("[0-9]"), re.compile("[A-Za-z]"), re.compile(r"[A-Za-z0-9+/_]{20}"))
_MIN_RANDOM = 24
MIN_SEGMENT = 12
"""Characters of the shortest segment of a path that may be a key."""
_SHORT_SEGMENTS = re.compile(rf"(?:/[^/?]{{0,{MIN_SEGMENT - 1}}})+")


def has_key_prefix(value: str) -> bool:
    """Return whether a value is a key of a known kind, or a scheme with a credential."""
    text = value.strip()
    return _PREFIXED.fullmatch(text) is not None or _SCHEME.fullmatch(text) is not None


def holds_key(value: str) -> bool:
    """Return whether a key of a known kind, or a scheme with a credential, is the value or a part of it."""
    return has_key_prefix(value) or _INSIDE.search(value) is not None


def is_credential_value(value: str) -> bool:
    """Return whether a value looks like a key: it has the form of one, holds one, or is long and random."""
    text = value.strip()
    if holds_key(text):
        return True
    is_long = len(text) >= _MIN_RANDOM and _UUID.fullmatch(text) is None
    return is_long and _is_random(text)


def _is_random(text: str) -> bool:
    """Return whether a text has only characters of tokens, digits and letters among them, and a long run without a sign."""
    # one pattern for all four would read a long value as often as it has characters
    return _OF_TOKEN.fullmatch(text) is not None and all(
        part.search(text) for part in _RANDOM_PARTS
    )


def is_credential(name: bytes, value: bytes) -> bool:
    """Return whether a request header carries a credential. `name` is canonical."""
    if name in CLIENT_CREDENTIALS:
        return True
    if (name, value) in _HARMLESS:
        return False
    text = value.decode("latin-1")
    if is_known(name):
        found = holds_key(text)
    else:
        found = _names_credential(name.decode("latin-1"), _HEADER_WORDS)
        found = found or is_credential_value(text) or _names_key(name)
    if not found and len(value) <= MAX_REMEMBERED:
        if len(_HARMLESS) >= MAX_HARMLESS:
            _HARMLESS.clear()
        _HARMLESS.add((name, value))
    return found


_HARMLESS: set[tuple[bytes, bytes]] = set()
"""Headers without a credential that were checked before: a client sends nearly the same ones with each turn."""
MAX_HARMLESS, MAX_REMEMBERED = 256, 512


@lru_cache(256)
def _names_key(name: bytes) -> bool:
    """Return whether a key stands in the place of a header's name."""
    return holds_key(name.decode("latin-1"))


def _names_credential(name: str, words: frozenset[str]) -> bool:
    return is_credential_name(name) or not words.isdisjoint(_WORD.findall(name.lower()))


_WORD = re.compile("[a-z]+")


def all_values(credentials: Mapping[bytes, Secret], name: bytes) -> Sequence[Secret]:
    """Return each value of a header that may have come more than once. `name` is canonical."""
    earlier = name + b"#"
    return [each for key, each in credentials.items() if key == name or key.startswith(earlier)]


@dataclass(slots=True)
class Taken:
    """A request head without its credentials, and the credentials by name."""

    headers: Headers
    target: str
    """The request target, with a label in place of each credential."""
    credentials: dict[bytes, Secret] = field(default_factory=dict)
    """Canonical header name, or `?` and the parameter's name → its value. Of a repeated header the last one counts."""

    def keep(self, name: bytes, value: bytes) -> None:
        """Keep a credential. An earlier value of the same name stays under another name, so that it is masked."""
        if (earlier := self.credentials.get(name)) is not None:
            self.credentials[b"%s#%d" % (name, len(self.credentials))] = earlier
        self.credentials[name] = Secret(value)


def take_credentials(headers: Headers, target: str) -> Taken:
    """Return the head of a client's request with a label in place of each credential."""
    taken = Taken((), target)
    fields: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        plain = canonical(name)
        if (plain, value) not in _HARMLESS and is_credential(plain, value):
            taken.keep(plain, value)
            if _names_key(name):
                taken.keep(b"name", name)
                name = TARGET_LABEL.encode()  # noqa: PLW2901  the key stood in the place of the name
            fields.append((name, REDACTION_LABEL))
        else:
            fields.append((name, value))
    taken.headers = tuple(fields)
    if _SHORT_SEGMENTS.fullmatch(target):
        return taken
    path, mark, query = target.partition("?")
    segments = (_segment(one, taken) for one in path.split("/"))
    parameters = (_parameter(one, taken) for one in query.split("&")) if query else ()
    taken.target = f"{'/'.join(segments)}{mark}{'&'.join(parameters)}"
    return taken


def _segment(segment: str, taken: Taken) -> str:
    if len(segment) < MIN_SEGMENT:
        return segment
    plain = _plain(segment)
    glued = _glued_key(plain)
    if not glued and not holds_key(plain):
        return segment
    taken.keep(b"/", (glued or plain).encode("latin-1"))
    return TARGET_LABEL


def _glued_key(text: str) -> str:
    """Return the key in the middle of a word, or nothing."""
    for found in _GLUED.finditer(text):
        for run in _RUN.finditer(found["rest"]):
            if not run[0].isalpha() and not run[0].isdecimal():
                return text[found.start() : found.start("rest") + run.end()]
    google = _GLUED_GOOGLE.search(text)
    return google[0] if google else ""


def _parameter(parameter: str, taken: Taken) -> str:
    name, equals, value = parameter.partition("=")
    plain = _plain(value)
    if is_credential_value(_plain(name)):
        taken.keep(b"?", _plain(name).encode("latin-1"))
        name = TARGET_LABEL
    named = name not in KNOWN_PARAMETERS and _names_credential(_plain(name), _PARAMETER_WORDS)
    if plain and (named or is_credential_value(plain)):
        taken.keep(b"?" + name.encode("utf-8", "replace"), plain.encode("latin-1"))
        return f"{name}{equals}{TARGET_LABEL}"
    return f"{name}{equals}{value}"


def _plain(text: str) -> str:
    """Return text without percent-encoding, one character a byte."""
    return unquote_to_bytes(text.replace("+", " ")).decode("latin-1")


def body_secrets(value: object, name: str = "") -> list[Secret]:
    """Return the credentials in a value that a row adds to its request bodies."""
    if isinstance(value, dict):
        return [each for key, inner in value.items() for each in body_secrets(inner, str(key))]
    if isinstance(value, list):
        return [each for inner in value for each in body_secrets(inner, name)]
    is_secret = isinstance(value, str) and (is_credential_name(name) or is_credential_value(value))
    return [Secret(str(value))] if is_secret else []


# Redaction of what is kept --------------------------------------------------------------------------------

REDACTED = "<secret>"
"""Stands in place of a secret."""
_SECRET_RESPONSE_HEADERS = frozenset({b"set-cookie", b"set-cookie2", b"authentication-info"})
"""Response headers whose values are credentials. Whole names: a rate limit's name may contain `token`."""


def redacted_request_headers(headers: Headers, secret_names: Iterable[bytes]) -> list[list[str]]:
    """Return the headers of an upstream request; values that are secret by type or by name are redacted."""
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]
    public = [
        [name, REDACTED if looks_secret(name) or has_key_prefix(value) else value]
        for name, value in pairs
    ]
    return [*public, *([name.decode("latin-1"), REDACTED] for name in secret_names)]


def redacted_response_headers(headers: Headers) -> list[list[str]]:
    """Return the headers of an upstream's response; cookies are redacted."""
    return [
        [name.decode("latin-1"), value.decode("latin-1")]
        for name, value in without_cookies(headers)
    ]


def without_cookies(headers: Headers) -> Headers:
    """Return the headers of a response with a label in place of the credentials that they set."""
    if _SECRET_RESPONSE_HEADERS.isdisjoint(map(canonical, dict(headers))):
        return headers
    return tuple(
        (name, REDACTED.encode() if canonical(name) in _SECRET_RESPONSE_HEADERS else value)
        for name, value in headers
    )


def redacted_path(path: str) -> str:
    """Return a request target; values of query parameters whose name looks secret are redacted."""
    bare, mark, query = path.partition("?")
    segments = [REDACTED if has_key_prefix(one) else one for one in bare.split("/")]
    if query:
        query = "&".join([_redacted_parameter(one) for one in query.split("&")])
    return f"{'/'.join(segments)}{mark}{query}"


def _redacted_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    is_secret = is_credential_name(name) or has_key_prefix(value)
    return f"{name}{equals}{REDACTED if value and is_secret else value}"
