from __future__ import annotations

import errno
from http.client import BadStatusLine

import pytest

from shim_cli.console.reasons import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens there"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(), "the connection broke off"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host"),
        (BadStatusLine("x"), "no valid answer (BadStatusLine)"),
        ("unknown url type", "no valid answer (str)"),
    ],
)
def test_reason_is_in_words(error: object, reason: str) -> None:
    assert reason_of(error) == reason
