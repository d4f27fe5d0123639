"""One turn of the soak: its route, its fault and its content, all from its number and the seed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from random import Random

from tests.faults.routes import WITH_UPSTREAM, RouteKind

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
"""Fault → its share in hundredths. `leave`, `early` and `slow` are the client's."""
OF_CLIENTS = frozenset({"leave", "early"})
WHOLE = frozenset({"none", "slow"})
MARK = re.compile(rb"soak-([0-9]+)-([a-z0-9]+)-end")


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked for, and what a whole answer says."""

    number: int
    route: RouteKind
    fault: str
    parts: tuple[str, ...]

    @property
    def mark(self) -> str:
        """What tells the upstream which turn it is; it stands in the prompt."""
        return f"soak-{self.number}-{self.fault}-end"

    @property
    def digest(self) -> str:
        """The hash of the whole answer."""
        return digest_of("".join(self.parts))


def digest_of(text: str) -> str:
    """The hash of an answer."""
    return hashlib.sha256(text.encode()).hexdigest()


def turn_of(number: int, seed: int) -> Turn:
    """The turn of this number: equal for equal seeds."""
    rng = Random(f"{seed}/{number}")  # noqa: S311  a seed makes it repeatable
    (fault,) = rng.choices(list(FAULTS), list(FAULTS.values()))
    route = rng.choice(WITH_UPSTREAM)
    return Turn(number, route, fault, parts_of(number, seed))


def parts_of(number: int, seed: int) -> tuple[str, ...]:
    """What is answered: hex digits that no other turn has."""
    rng = Random(f"{seed}/{number}/text")  # noqa: S311  a seed makes it repeatable
    return tuple(rng.randbytes(24).hex() for _ in range(rng.randrange(3, 12)))
