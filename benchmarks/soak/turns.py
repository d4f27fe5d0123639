"""One turn of the soak run: its route, fault and content, determined by its number and the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from addons.core.providers.demo_script import WELCOME
from benchmarks.soak.parts import parts_of
from tests.faults.routes import ROUTES, WITH_UPSTREAM, RouteKind

FAULTS = {
    "none": 80,
    "flaky": 3,
    "e500": 2,
    "e429": 2,
    "html": 1,
    "cut": 2,
    "half": 2,
    "reset": 1,
    "clean": 1,
    "error": 1,
    "stall": 1,
    "leave": 2,
    "early": 1,
    "slow": 1,
}
"""Fault → its percentage. `leave`, `early` and `slow` are faults of the client."""
OF_CLIENTS = frozenset({"leave", "early"})
WHOLE = frozenset({"none", "slow"})
LOCAL_FAULTS = {name: FAULTS[name] for name in ("none", "leave", "early", "slow")}
"""Faults of routes without an upstream on the network."""
AGENT_FAULTS = {**LOCAL_FAULTS, "cut": FAULTS["cut"]}
SHARES = {"demo": 3, "cursor": 1}
"""Route → its percentage of turns, where it is not `EQUAL_SHARE`: a turn of Cursor is a process."""
EQUAL_SHARE = 24


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn and the content of its whole answer."""

    number: int
    route: RouteKind
    fault: str
    parts: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The prompt: it names the turn for the upstream."""
        return f"soak-{self.number}-{self.fault}-end"

    @property
    def digest(self) -> str:
        """The hash of the whole answer."""
        return digest_of(WELCOME if self.route.name == "demo" else "".join(self.parts))


def digest_of(text: str) -> str:
    """Return the hash of an answer."""
    return hashlib.sha256(text.encode()).hexdigest()


def turn_of(number: int, seed: int) -> Turn:
    """Return the turn with this number. Equal seeds give equal turns."""
    rng = Random(f"{seed}/{number}")  # noqa: S311  a seed makes it repeatable
    shares = [SHARES.get(route.name, EQUAL_SHARE) for route in ROUTES]
    (route,) = rng.choices(ROUTES, shares)
    faults = faults_of(route)
    (fault,) = rng.choices(list(faults), list(faults.values()))
    return Turn(number, route, fault, parts_of(number, seed))


def faults_of(route: RouteKind) -> Mapping[str, int]:
    """Return the faults of a route with their percentages."""
    if route in WITH_UPSTREAM:
        return FAULTS
    return AGENT_FAULTS if route.agent else LOCAL_FAULTS
