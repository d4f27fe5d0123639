"""The content of an answer in the soak run. Standard library only: the fake cursor-agent imports it, too."""

from __future__ import annotations

import re
from random import Random

MARK = re.compile(rb"soak-([0-9]+)-([a-z0-9]+)-end")
"""In the prompt: it names the turn and its fault for the upstream."""


def parts_of(number: int, seed: int) -> tuple[str, ...]:
    """Return the parts of an answer: hex digits that no other turn has."""
    rng = Random(f"{seed}/{number}/text")  # noqa: S311  a seed makes it repeatable
    return tuple(rng.randbytes(24).hex() for _ in range(rng.randrange(3, 12)))
