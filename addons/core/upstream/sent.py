"""A request that was refused, as the repair rules see it, and the change that a rule proposes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from addons.core.json_values import JsonObject
from addons.core.upstream.target import Target
from addons.core.upstream.traits import OMIT


@dataclass(frozen=True, slots=True)
class Sent:
    """The refused request."""

    target: Target
    """Adapted to the traits that were known when it was written."""
    body: JsonObject
    key_header: str = ""
    """The lower-case name of the header that carried the key."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the request."""

    what: str
    """For the turn's record and the user."""
    traits: tuple[tuple[str, Any], ...] = ()
    items: tuple[str, ...] = ()
    """Digests of items that are a note, or are left out, from now on."""

    @classmethod
    def of(cls, what: str, **traits: object) -> Self:
        """Return a change of traits."""
        return cls(what, tuple(traits.items()))

    @classmethod
    def omitting(cls, *paths: str) -> Self:
        """Return a change that leaves out these fields."""
        names = ", ".join(f"`{path}`" for path in paths)
        return cls(f"sent without {names}", tuple((f"{OMIT}{path}", True) for path in paths))
