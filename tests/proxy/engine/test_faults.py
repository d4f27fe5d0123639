"""Errors of mitmproxy become faults whose texts quote no byte of a head."""

from __future__ import annotations

import pytest

from addons.core.secrets import Origin
from addons.core.turn import FaultKind, Head
from addons.proxy.engine.attempt import Attempt
from addons.proxy.engine.faults import connect_fault, response_fault
from addons.proxy.engine.states import TurnState
from addons.proxy.engine.upstream.notices import (
    BROKEN_FRAMES,
    HEAD_WITHOUT_END,
    NO_UPGRADE,
)
from tests.support.engine import QUICK

HTTPS = Origin("https", "api.example.org", 443)
HTTP = Origin("http", "127.0.0.1", 1)


@pytest.mark.parametrize(
    ("text", "origin", "kind"),
    [
        ("Certificate verify failed", HTTPS, FaultKind.TLS),
        ("TLS handshake failed", HTTPS, FaultKind.TLS),
        ("Certificate verify failed", HTTP, FaultKind.CONNECT),
        ("Connection refused", HTTPS, FaultKind.CONNECT),
    ],
)
def test_failed_connect_is_a_tls_fault_only_over_tls(
    text: str, origin: Origin, kind: FaultKind
) -> None:
    fault = connect_fault(text, origin, timed_out=False, limits=QUICK)
    assert (fault.kind, fault.detail, fault.origin) == (kind, text, origin)


def test_failed_connect_names_the_limit_or_says_that_no_reason_is_known() -> None:
    timed_out = connect_fault("ssl", HTTPS, timed_out=True, limits=QUICK)
    assert (timed_out.kind, timed_out.detail) == (FaultKind.CONNECT, "no connection within 5 s")
    assert connect_fault("", HTTP, timed_out=False, limits=QUICK).detail == "no reason given"


@pytest.mark.parametrize(
    ("text", "head", "kind"),
    [
        ("Cannot parse HTTP response: b'Bearer secret'", None, FaultKind.PROTOCOL),
        (HEAD_WITHOUT_END, None, FaultKind.PROTOCOL),
        ("server closed connection: secret", None, FaultKind.RESET),
        ("server closed connection: secret", Head(200), FaultKind.CUT),
        ("Cannot parse: secret", Head(200), FaultKind.CUT),
        (NO_UPGRADE, None, FaultKind.UPGRADE),
        (BROKEN_FRAMES, None, FaultKind.PROTOCOL),
        (BROKEN_FRAMES, Head(200), FaultKind.CUT),
    ],
)
def test_fault_of_an_attempt_depends_on_its_head_and_quotes_nothing(
    text: str, head: Head | None, kind: FaultKind
) -> None:
    attempt = Attempt(None, TurnState(), lambda: 0.0)  # type: ignore[arg-type]
    attempt.origin, attempt.head = HTTPS, head
    fault = response_fault(text, attempt)
    assert (fault.kind, fault.origin) == (kind, HTTPS)
    assert "secret" not in fault.detail
