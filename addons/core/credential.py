"""Secrets, and what binds them: a `Secret` never prints, and a bound one only travels to its origins.

Never does: read files, look at the clock, log. Invariant: the plain value leaves this module through
`Secret.reveal()` alone, which the wire step of the engine and the background discovery call.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Literal, NoReturn, Self
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
SHORTEST_BEGINNING = 3
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_NO_URL = "it is not a valid URL"
_NO_HTTP_URL = "it is not an http or https URL"
_USER_INFO = "it must not carry a user name or password"
_NO_HOST = "it names no host"
_NO_PORT = "Port out of range: it must be a number from 1 to 65535"


class Secret:
    """A value that is used and never shown: no text, pickle, copy or comparison gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        msg = "a secret is never pickled or copied"
        raise TypeError(msg)

    def matches(self, other: Secret) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value, other._value)

    def hidden_in(self, data: bytes, label: bytes) -> bytes:
        """The data with the label wherever the plain value stood."""
        return data.replace(self._value, label) if self._value else data

    def cut_from(self, data: bytes) -> bytes:
        """The data without a beginning of the plain value at its end, where it was cut."""
        for size in range(min(len(self._value), len(data)), SHORTEST_BEGINNING, -1):
            if data.endswith(self._value[:size]):
                return data[:-size]
        return data

    def reveal(self) -> bytes:
        """Give the plain bytes. Only for the step that writes them to the wire."""
        return self._value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request goes: scheme, host in lower case, port."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Take the origin out of an absolute http(s) URL.

        Raises ValueError, in words a user can act on, for another scheme, user info or no host. The words never
        quote the URL: it may hold a password.
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

    @property
    def authority(self) -> str:
        """The value of a Host header for this origin."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def _port_of(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        raise ValueError(_NO_PORT) from None
    if port == 0:
        raise ValueError(_NO_PORT)
    return port


class ForeignOriginError(Exception):
    """A secret was about to travel to an origin that it is not bound to. Always a bug of ours."""


@dataclass(frozen=True, slots=True)
class SecretHeader:
    """One request header whose value is secret, and the only origin that may receive it."""

    name: bytes
    secret: Secret
    bound_to: Origin
    prefix: bytes = b""

    def value_for(self, origin: Origin) -> bytes:
        """Give the header's plain value for the wire. Raises ForeignOriginError for another origin."""
        if origin != self.bound_to:
            msg = f"{self.name.decode('latin-1')} is bound to {self.bound_to}, not to {origin}"
            raise ForeignOriginError(msg)
        return self.prefix + self.secret.reveal()
