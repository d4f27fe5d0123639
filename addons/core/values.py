"""JSON values that others wrote: each as what it should be, or as nothing.

Never does: change a value. Invariant: total.
"""

from __future__ import annotations

from collections.abc import Mapping


def obj(value: object) -> Mapping[str, object]:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def string(value: object) -> str:
    """The value when it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def integer(value: object) -> int | None:
    """The value when it is a whole number, which a truth value is not."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
