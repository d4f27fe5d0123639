"""One fault of an upstream: what the upstream does, and the outcome for each family of routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.faults.outcomes import Pair
from tests.faults.routes import Family, RouteKind
from tests.support.upstream import Script

IMMEDIATELY = "immediately"
RETRIES = "retries"
STALL = "`stall_seconds`"
LINGER = "`linger_seconds`"
CONNECT = "`connect_seconds`"
PATIENT_SECONDS = 15.0
"""In place of EARLY_SECONDS, for a refusal that comes at once: on a loaded machine that may take longer than a second."""

MakeScript = Callable[[RouteKind], Script]


@dataclass(frozen=True)
class Fault:
    """A row of the fault table."""

    name: str
    what: str
    """What the upstream does, for the table."""
    script: MakeScript
    account: Pair
    native: Pair
    translated: Pair
    requests: Mapping[Family, int] = field(default_factory=dict)
    """Family → the number of upstream requests for one turn, where it is not 1."""
    limits: Mapping[str, float] = field(default_factory=dict)
    incomplete: bool = True
    """Whether the upstream never sends its whole answer."""
    echoes: int = 1
    """The number of terminal events that the upstream sends. A native route passes them all."""
    within: str = IMMEDIATELY
    """The clock that decides when the client learns of the fault."""
    early_seconds: float = PATIENT_SECONDS
    """The time within which a refusal is one before any work, while this fault is tested."""

    def __str__(self) -> str:
        return self.name

    def pair(self, family: Family) -> Pair:
        """Return the outcome for the clients of a family."""
        return {
            Family.ACCOUNT: self.account,
            Family.NATIVE: self.native,
            Family.TRANSLATED: self.translated,
        }[family]

    def request_count(self, family: Family) -> int:
        """Return the number of upstream requests for one turn."""
        return self.requests.get(family, 1)


def row_requests(count: int) -> Mapping[Family, int]:
    """Return the number of requests to upstreams of models.json, which are retried. The account's upstream never is."""
    return {Family.NATIVE: count, Family.TRANSLATED: count}
