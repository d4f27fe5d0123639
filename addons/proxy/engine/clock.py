"""The two silences of one stream: of the upstream (stall) and towards the client (heartbeat).

Never does: sleep or schedule. The stream asks when to be woken and what is due.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from addons.core.limits import Limits

_SHORTEST = 0.005


class Due(Enum):
    """What a wake-up finds to be due."""

    NOTHING = auto()
    HEARTBEAT = auto()
    STALL = auto()
    LINGER = auto()
    """The terminal event was seen and the upstream still does not end its body."""


class SilenceClock:
    """Monotonic times of the last bytes in either direction."""

    __slots__ = ("_heard", "_limits", "_now", "_sent")

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._heard = self._sent = now()

    def heard(self) -> None:
        """The upstream, or the client's socket, showed life."""
        self._heard = self._now()

    def relayed(self) -> None:
        """Bytes of the upstream went to the client."""
        self._heard = self._sent = self._now()

    def beat(self) -> None:
        """A heartbeat went to the client."""
        self._sent = self._now()

    def due(self, *, terminal_seen: bool) -> Due:
        """What has to happen now."""
        now = self._now()
        if terminal_seen:
            return Due.LINGER if now - self._heard >= self._limits.linger_seconds else Due.NOTHING
        if now - self._heard >= self._limits.stall_seconds:
            return Due.STALL
        if now - self._sent >= self._limits.heartbeat_seconds:
            return Due.HEARTBEAT
        return Due.NOTHING

    def delay(self, *, terminal_seen: bool) -> float:
        """Seconds until the next thing can be due: measured from the last bytes, so that gaps never double."""
        now = self._now()
        if terminal_seen:
            wait = self._heard + self._limits.linger_seconds - now
        else:
            stall = self._heard + self._limits.stall_seconds - now
            beat = self._sent + self._limits.heartbeat_seconds - now
            wait = min(stall, beat if beat > 0 else self._limits.heartbeat_seconds)
        return max(wait, _SHORTEST)
