"""`turn_value`: the decorator of the values that every turn makes, which only mypy freezes.

The `__init__` of a frozen dataclass calls `object.__setattr__` for each field, so it runs three times as many
instructions as one that assigns, and a turn makes some thirty values. mypy and editors read `turn_value` as `dataclass`
and refuse an assignment to a field. Values that are made at start or shared between turns are frozen at run time too:
they use `dataclass`.

Never does: change how such a class compares, hashes or prints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as turn_value
else:

    def turn_value(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """Make a dataclass that is hashed like a frozen one."""
        return dataclasses.dataclass(slots=slots, unsafe_hash=frozen)


__all__ = ["turn_value"]
