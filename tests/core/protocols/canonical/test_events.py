"""The events of an answer."""

from __future__ import annotations

from typing import get_args

from addons.core.protocols.canonical.events import Event


def test_events_are_frozen_values() -> None:
    for event in get_args(Event):
        assert event.__dataclass_params__.frozen, event.__name__
        assert "__slots__" in vars(event), event.__name__
