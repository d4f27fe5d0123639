from __future__ import annotations

import pytest

from addons.core.outcomes import Outcomes
from addons.core.record import TurnRecord


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (TurnRecord(status=200), (True, "")),
        (TurnRecord(status=200, terminal="response.completed"), (True, "")),
        (TurnRecord(status=200, terminal="response.failed"), (False, "response.failed")),
        (TurnRecord(status=429, error="rate_limited"), (False, "rate_limited")),
        (TurnRecord(status=200, ended="client_left"), (False, "client_left")),
        (TurnRecord(status=500), (False, "status 500")),
    ],
)
def test_the_last_end_of_a_model_is_kept_in_a_word(
    record: TurnRecord, outcome: tuple[bool, str]
) -> None:
    outcomes = Outcomes()
    record.slug, record.row, record.started, record.seconds = "alias", "a", 100.0, 2.5
    outcomes.note(record)
    assert outcomes.of("a") == {"ok": outcome[0], "ended_at": 102.5, "reason": outcome[1]}


def test_what_no_route_takes_is_not_kept() -> None:
    outcomes = Outcomes()
    outcomes.note(TurnRecord(slug="nobody's"))
    assert outcomes.of("a") is None
    assert outcomes.of("nobody's") is None
