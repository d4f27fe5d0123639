"""How a turn ended, in words."""

from __future__ import annotations

import pytest

from addons.core.errors import FAULTS
from addons.core.telemetry.outcomes import COMPLETE, ENDED, ERRORS, outcome_text
from addons.core.telemetry.record import KNOWN_CODES


@pytest.mark.parametrize(
    ("status", "terminal", "error", "ended", "text"),
    [
        (0, "", "", "client_left", ENDED["client_left"]),
        (200, "", "stream_interrupted", "cut", ENDED["cut"]),
        (200, "response.failed", "login_expired", "", ERRORS["login_expired"]),
        (200, "response.failed", "billing_hard_limit_reached", "", "The turn failed: billing hard limit reached."),
        (200, "response.incomplete", "", "", "The upstream ended the answer before it was complete."),
        (404, "", "", "", "The turn failed with status 404."),
        (0, "", "", "", "The turn failed."),
    ],
)  # fmt: skip
def test_failed_turn_says_what_happened(
    status: int, terminal: str, error: str, ended: str, text: str
) -> None:
    found = outcome_text(ok=False, status=status, terminal=terminal, error=error, ended=ended)
    assert found == text


def test_good_turn_is_complete() -> None:
    assert outcome_text(ok=True, status=200, terminal="", error="", ended="") == COMPLETE


def test_every_end_and_every_code_exists() -> None:
    assert ENDED.keys() - {"client_left"} == set(FAULTS)
    assert ERRORS.keys() <= KNOWN_CODES
