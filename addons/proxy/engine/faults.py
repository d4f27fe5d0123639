"""mitmproxy's errors about an upstream → faults with texts of this project: its own may quote raw bytes of a head.

Never does: put such a text into a fault once a head may be in it. Invariant: each error becomes one `Fault`.
"""

from __future__ import annotations

from addons.core.limits import Limits
from addons.core.secrets import Origin
from addons.core.turn import Fault, FaultKind
from addons.proxy.engine.attempt import Attempt
from addons.proxy.engine.upstream.notices import BROKEN_FRAMES, HEAD_WITHOUT_END, NO_UPGRADE

_TLS_MARKS = ("certificate", "tls", "ssl", "handshake")
_UNREADABLE_HEAD = ("Cannot parse", HEAD_WITHOUT_END)


def connect_fault(text: str, origin: Origin, *, timed_out: bool, limits: Limits) -> Fault:
    """Return the fault of a connection that was not made. `text` comes from the system or OpenSSL, without any header."""
    if timed_out:
        detail = f"no connection within {limits.connect_seconds:g} s"
        return Fault(FaultKind.CONNECT, detail, origin)
    is_tls = origin.scheme == "https" and any(word in text.lower() for word in _TLS_MARKS)
    return Fault(FaultKind.TLS if is_tls else FaultKind.CONNECT, text or "no reason given", origin)


def response_fault(text: str, attempt: Attempt) -> Fault:
    """Return the fault that ended an attempt after its request was sent."""
    if text == NO_UPGRADE:
        detail = "it refused the upgrade, or did not answer it in time"
        return Fault(FaultKind.UPGRADE, detail, attempt.origin)
    if attempt.head is None and text == BROKEN_FRAMES:
        return Fault(FaultKind.PROTOCOL, "its WebSocket frames cannot be read", attempt.origin)
    if attempt.head is None and text.startswith(_UNREADABLE_HEAD):
        return Fault(FaultKind.PROTOCOL, "its response head cannot be read", attempt.origin)
    if attempt.head is None:
        detail = "no response head came"
        return Fault(FaultKind.RESET, detail, attempt.origin)
    return Fault(FaultKind.CUT, "the body is not complete", attempt.origin)
