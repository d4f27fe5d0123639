"""The API key of a row, as a plan sees it: headers that carry it, or the reason why there is none.

Never reads an environment variable, a file or a command's output; `addons.adapters.api_keys` does. Invariant: a key
leaves its source only as `SecretHeader`s, which refuse every origin but their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from addons.core.secrets import SecretHeader


@dataclass(frozen=True, slots=True)
class AuthScheme:
    """The header that carries a key, and the prefix before the key in its value."""

    header: bytes
    prefix: bytes = b""


BEARER = AuthScheme(b"authorization", b"Bearer ")
X_API_KEY = AuthScheme(b"x-api-key")
API_KEY = AuthScheme(b"api-key")


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why there is no key. The message is ours, names the next step and holds nothing secret."""

    message: str
    is_pending: bool = False
    """Whether the key is being fetched: the same turn may succeed in a moment."""


class KeySource(Protocol):
    """The key of one row of models.json."""

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        """Return the headers that carry the key; none for an upstream without a key. Called once per turn; never waits."""

    def refused(self) -> None:
        """Note that the upstream refused the key, so that a new one is fetched where that is possible."""
