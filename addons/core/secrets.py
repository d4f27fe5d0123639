"""Secrets and the origins they are bound to. A `Secret` never prints; a `SecretHeader` goes to one origin only.

Invariant: the plain value leaves this module only through `Secret.reveal()`, for the request that is about to be sent.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Literal, NoReturn, Self
from urllib.parse import SplitResult, urlsplit

from addons.core.frozen import turn_value

DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_NO_URL = "it is not a valid URL"
_NO_HTTP_URL = "it is not an http or https URL"
_USER_INFO = "it must not carry a user name or password"
_NO_HOST = "it names no host"
_NO_PORT = "Port out of range: it must be a number from 1 to 65535"


class Secret:
    """A value that is used and never shown. Printing, pickling, copying or comparing it does not reveal it."""

    __slots__ = ("_digest", "_value")

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else value
        self._digest = b""

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        msg = "a secret is never pickled or copied"
        raise TypeError(msg)

    def matches(self, other: Secret) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value, other._value)

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that stand for the value within this process. Never written or sent."""
        if not self._digest:
            self._digest = blake2b(self._value, digest_size=16).digest()
        return self._digest

    def derive[T](self, make: Callable[[bytes], T]) -> T:
        """Return what a function makes of the plain value. Only for the mask of echoes."""
        return make(self._value)

    def fits(self, form: re.Pattern[bytes]) -> bool:
        """Return whether the whole value has a form, such as that of a token."""
        return form.fullmatch(self._value) is not None

    def reveal(self) -> bytes:
        """Return the plain bytes. Only for the code that writes a request."""
        return self._value


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin (RFC 6454): scheme, host in lower case, port."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    authority: str = field(init=False, compare=False, repr=False)
    """The value of the Host header for this origin."""
    _text: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Write the texts that each turn asks for several times."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == DEFAULT_PORTS[self.scheme]
        object.__setattr__(self, "authority", host if is_usual else f"{host}:{self.port}")
        object.__setattr__(self, "_text", f"{self.scheme}://{self.authority}")

    @classmethod
    def of(cls, url: str) -> Self:
        """Return the origin of an absolute http(s) URL.

        Raise ValueError, with a text for the user, for another scheme, user info or a missing host. The text never
        quotes the URL, which may hold a password.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError(_NO_URL) from None
        if parts.scheme == "https":
            scheme: Literal["http", "https"] = "https"
        elif parts.scheme == "http":
            scheme = "http"
        else:
            raise ValueError(_NO_HTTP_URL)
        if parts.username is not None or parts.password is not None:
            raise ValueError(_USER_INFO)
        if not parts.hostname:
            raise ValueError(_NO_HOST)
        return cls(scheme, parts.hostname, _port_of(parts) or DEFAULT_PORTS[scheme])

    @property
    def is_loopback(self) -> bool:
        """Whether the origin is this machine, by name or address."""
        return self.host in LOOPBACK_HOSTS

    def __str__(self) -> str:
        return self._text


def _port_of(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        raise ValueError(_NO_PORT) from None
    if port == 0:
        raise ValueError(_NO_PORT)
    return port


class ForeignOriginError(Exception):
    """A secret was about to be sent to an origin that it is not bound to. Always a bug in codex-shim."""


@turn_value(frozen=True, slots=True)
class SecretHeader:
    """One request header whose value is secret, and the only origin that may receive it."""

    name: bytes
    secret: Secret
    bound_to: Origin
    prefix: bytes = b""

    def value_for(self, origin: Origin) -> bytes:
        """Return the plain value of the header. Raise ForeignOriginError for another origin."""
        if origin != self.bound_to:
            msg = f"{self.name.decode('latin-1')} is bound to {self.bound_to}, not to {origin}"
            raise ForeignOriginError(msg)
        return self.prefix + self.secret.reveal()


def looks_secret(name: str) -> bool:
    """Whether a header or query parameter of this name carries a key."""
    word = name.strip().lower().replace("_", "-")
    return word in _SECRET_NAMES or _SECRET_PART.search(word) is not None


_SECRET_NAMES = frozenset({"key", "cookie", "set-cookie", "sig"})
_SECRET_PART = re.compile("authorization|token|secret|password|apikey|signature|credential|-key")


@lru_cache(256)
def is_credential_name(name: str) -> bool:
    """Whether a header or query parameter of a client carries a credential by its name. Wider than `looks_secret`."""
    word = name.strip().lower().replace("_", "-").replace(".", "-")
    if word in _HARMLESS_NAMES:
        return False
    has_part = not _SECRET_WORDS.isdisjoint(word.split("-"))
    return looks_secret(word) or has_part or _KEY_NAME.search(word) is not None


_HARMLESS_NAMES = frozenset({"idempotency-key", "x-idempotency-key", "sec-websocket-key"})
"""Random values that give no access."""
_SECRET_WORDS = frozenset(
    ["auth", "authentication", "authn", "authz", "bearer", "cookie", "cookies", "cred", "creds", "csrf", "jwt", "otp", "pass", "passwd", "passphrase", "pat", "pwd", "sas", "secret", "sid", "sig", "sso", "xsrf"]
)  # fmt: skip
"""Words of a name, between its separators."""
_KEY_NAME = re.compile(r"(?:api|access|auth|client|license|master|private|secret|service|session|shared|subscription|user|virtual)-?(?:key|hash|code)s?")  # fmt: skip
