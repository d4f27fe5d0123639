"""What a plan knows of a provider's key: that there is one, bound to its origin, or why there is none.

Never does: read an environment, a file or a command's output; `addons.origins` does. Invariant: a key leaves its
source only as `SecretHeader`s, which no origin but its own can be given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from addons.core.credential import SecretHeader


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """Why there is no key: our own words, with the next thing to do, and nothing secret."""

    message: str
    passing: bool = False
    """It is on its way: the same turn may succeed in a moment."""


class KeySource(Protocol):
    """The key of one row of models.json."""

    def current(self) -> tuple[SecretHeader, ...] | KeyProblem:
        """The headers that carry the key; empty for an upstream that wants none. Quick: it is asked per turn."""

    def refused(self) -> None:
        """The upstream refused the key: one that can be got anew should be."""
