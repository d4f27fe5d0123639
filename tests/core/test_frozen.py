"""A class that is frozen for mypy compares, hashes, prints and is replaced like a frozen dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any

import pytest

from addons.core.frozen import turn_value


@dataclasses.dataclass(frozen=True, slots=True)
class Usual:
    """What the standard library makes."""

    name: str
    parts: tuple[int, ...] = ()
    note: str = field(default="", compare=False, repr=False)


@turn_value(frozen=True, slots=True)
class Short:
    """What this project makes of the same fields."""

    name: str
    parts: tuple[int, ...] = ()
    note: str = field(default="", compare=False, repr=False)


@pytest.mark.parametrize(
    "see",
    [
        lambda kind: hash(kind("a", (1,), "note")),
        lambda kind: kind("a", (1,)) == kind("a", (1,), "other note"),
        lambda kind: kind("a") == kind("b"),
        lambda kind: repr(kind("a", (1,), "note")).removeprefix(kind.__name__),
        lambda kind: dataclasses.astuple(replace(kind("a"), parts=(2,))),
        lambda kind: kind.__slots__,
    ],
)
def test_class_behaves_like_a_frozen_dataclass(see: Callable[[type], Any]) -> None:
    assert see(Short) == see(Usual)
