from __future__ import annotations

from addons.adapters.cassette.use import NO_CASSETTE
from addons.core.limits import Limits


def test_process_without_a_cassette_plans_nothing() -> None:
    assert NO_CASSETTE.plans(Limits()) is None
