"""The status of the last turn of each model."""

from __future__ import annotations

import pytest

from addons.core.telemetry.record import LastTurnStatus, TurnRecord, turn_status


@pytest.mark.parametrize(
    ("record", "ok", "reason"),
    [
        (TurnRecord(status=200), True, ""),
        (TurnRecord(status=200, terminal="response.completed"), True, ""),
        (TurnRecord(status=200, terminal="response.failed"), False, "response.failed"),
        (TurnRecord(status=429, error="rate_limited"), False, "rate_limited"),
        (TurnRecord(status=200, ended="client_left"), False, "client_left"),
        (TurnRecord(status=500), False, "status 500"),
    ],
)
def test_status_is_kept_under_the_slug_of_the_route(
    record: TurnRecord, ok: bool, reason: str
) -> None:
    last = LastTurnStatus()
    record.slug, record.row, record.started, record.seconds = "alias", "a", 100.0, 2.5
    last.note(record)
    assert last.get("a") == {"ok": ok, "ended_at": 102.5, "reason": reason}
    assert last.get("alias") is None


def test_later_turn_replaces_the_status() -> None:
    last = LastTurnStatus()
    last.note(TurnRecord(row="a", status=500))
    last.note(TurnRecord(row="a", status=200, started=5.0))
    assert last.get("a") == {"ok": True, "ended_at": 5.0, "reason": ""}


def test_turn_without_a_route_is_not_recorded() -> None:
    last = LastTurnStatus()
    last.note(TurnRecord(slug="unknown"))
    assert last.get("unknown") is None
    assert last.get("") is None


def test_earlier_turn_is_recalled_and_replaces_no_later_one() -> None:
    last, earlier = LastTurnStatus(), turn_status(True, 50.04, (), 200)
    last.recall("a", earlier)
    assert last.get("a") == {"ok": True, "ended_at": 50.0, "reason": ""}
    last.recall("a", turn_status(False, 40.0, ("older",), 0))
    assert last.get("a") == earlier
    last.recall("a", turn_status(False, 60.0, ("", "newer", "other"), 0))
    assert last.get("a") == {"ok": False, "ended_at": 60.0, "reason": "newer"}
    last.note(TurnRecord(row="a", status=200, started=70.0))
    last.recall("a", earlier)
    assert last.get("a") == {"ok": True, "ended_at": 70.0, "reason": ""}
