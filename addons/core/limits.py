"""Every limit of the data plane in one frozen value. Seconds and bytes; defaults are the documented ones."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a turn. Field names are the setting names; each unit is in the name."""

    connect_seconds: float = 10.0
    """TCP connect and TLS handshake of one attempt, together."""
    heartbeat_seconds: float = 15.0
    """Silence of the upstream after which the client gets a data event that it ignores."""
    stall_seconds: float = 300.0
    """Silence of the upstream after which the turn fails, before or after its headers."""
    linger_seconds: float = 2.0
    """Time an upstream has to end its body once its terminal event was seen."""
    drain_seconds: float = 10.0
    """Time running turns have to finish at shutdown."""
    body_bytes: int = 64 * MIB
    """Largest request body, as received and as decoded."""
    head_bytes: int = 64 * KIB
    """Largest request or response head."""
    error_body_bytes: int = 1 * MIB
    """Largest upstream answer that is collected to be explained."""
    event_bytes: int = 16 * MIB
    """Largest single SSE event that is looked into."""
    queue_bytes: int = 256 * KIB
    """What a synthetic origin may have under way before it has to wait for the client."""
