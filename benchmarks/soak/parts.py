"""What a turn of the soak says. Nothing but the standard library: the agent of its Cursor turns loads this, too."""

from __future__ import annotations

import re
from random import Random

MARK = re.compile(rb"soak-([0-9]+)-([a-z0-9]+)-end")
"""What tells who answers which turn it is, and how to fail; it stands in the prompt."""


def parts_of(number: int, seed: int) -> tuple[str, ...]:
    """What is answered: hex digits that no other turn has."""
    rng = Random(f"{seed}/{number}/text")  # noqa: S311  a seed makes it repeatable
    return tuple(rng.randbytes(24).hex() for _ in range(rng.randrange(3, 12)))
