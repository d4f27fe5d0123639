"""One fault of an upstream: what it does, and what each family of routes must make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.faults.outcomes import Pair
from tests.faults.routes import Family, RouteKind
from tests.support.upstream import Script

AT_ONCE = "at once"
OWN_TRIES = "own tries"
STALL = "`stall_seconds`"
LINGER = "`linger_seconds`"
CONNECT = "`connect_seconds`"

MakeScript = Callable[[RouteKind], Script]


@dataclass(frozen=True)
class Fault:
    """A row of the matrix."""

    name: str
    what: str
    """For the table: what the upstream does."""
    script: MakeScript
    account: Pair
    native: Pair
    translated: Pair
    requests: Mapping[Family, int] = field(default_factory=dict)
    """How many requests the upstream gets in all for one turn, where it is not one."""
    limits: Mapping[str, float] = field(default_factory=dict)
    short: bool = True
    """Whether the upstream never gives its whole answer."""
    echoes: int = 1
    """How many terminal events the upstream itself sends: a route that changes no byte passes them."""
    within: str = AT_ONCE
    """Which clock decides when the client knows."""

    def __str__(self) -> str:
        return self.name

    def pair(self, family: Family) -> Pair:
        """What this family's clients get."""
        return {
            Family.ACCOUNT: self.account,
            Family.NATIVE: self.native,
            Family.TRANSLATED: self.translated,
        }[family]

    def asked(self, family: Family) -> int:
        """How many requests the upstream gets for one turn."""
        return self.requests.get(family, 1)


def ours(count: int) -> Mapping[Family, int]:
    """Requests to an upstream of models.json, which is tried again; the account's never is."""
    return {Family.NATIVE: count, Family.TRANSLATED: count}
