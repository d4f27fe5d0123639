"""Reads parsed JSON of unknown shape: a value of the expected type, or an empty one.

Never does: convert a value. Invariant: total.
"""

from __future__ import annotations

from collections.abc import Mapping

JsonObject = Mapping[str, object]
"""A JSON object that is only read."""
JsonDict = dict[str, object]
"""A JSON object that this code builds."""


def as_object(value: object) -> Mapping[str, object]:
    """Return the value if it is an object, else an empty object."""
    return value if isinstance(value, dict) else {}


def as_str(value: object) -> str:
    """Return the value if it is a string, else an empty string."""
    return value if isinstance(value, str) else ""


def as_int(value: object) -> int | None:
    """Return the value if it is an integer, else None. A boolean is not an integer here."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
