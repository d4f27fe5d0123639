"""What mitmproxy says of an upstream → our faults, in our own words: its texts may quote raw bytes of a head."""

from __future__ import annotations

from addons.core.credential import Origin
from addons.core.limits import Limits
from addons.core.turn import Fault, FaultKind
from addons.proxy.engine.upstream import Upstream

_TLS_WORDS = ("certificate", "tls", "ssl", "handshake")
HEAD_WITHOUT_END = "response head without end"
BROKEN_BODY = "broken body framing"
_UNREADABLE_HEAD = ("Cannot parse", HEAD_WITHOUT_END)


def connect_fault(text: str, origin: Origin, *, timed_out: bool, limits: Limits) -> Fault:
    """Name a connection that was not made. `text` is the system's or OpenSSL's own, without any header."""
    if timed_out:
        detail = f"no connection within {limits.connect_seconds:g} s"
        return Fault(FaultKind.CONNECT, detail, origin)
    is_tls = origin.scheme == "https" and any(word in text.lower() for word in _TLS_WORDS)
    return Fault(FaultKind.TLS if is_tls else FaultKind.CONNECT, text or "no reason given", origin)


def response_fault(text: str, upstream: Upstream) -> Fault:
    """Name what ended an attempt after its request was sent."""
    if not upstream.head_seen and text.startswith(_UNREADABLE_HEAD):
        return Fault(FaultKind.PROTOCOL, "its response head cannot be read", upstream.origin)
    if not upstream.head_seen:
        detail = "no response head came"
        return Fault(FaultKind.RESET, detail, upstream.origin, reused=upstream.reused)
    return Fault(FaultKind.CUT, "the body is not complete", upstream.origin)
