"""The two silences of one stream: of the upstream (stall) and towards the client (heartbeat); and the end's delay.

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
    """Monotonic times of the last signs of life in either direction, and of the terminal event."""

    __slots__ = ("_ended", "_heard", "_limits", "_now", "_sent")

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._heard = self._sent = now()
        self._ended: float | None = None

    def heard(self) -> None:
        """The upstream, or the client's socket, showed life."""
        self._heard = self._now()

    def served(self) -> None:
        """The client was given what sets its own timer back: the head, an event with data, a heartbeat."""
        self._sent = self._now()

    def terminal_seen(self) -> None:
        """The client was given its terminal event. Only the first call counts."""
        self._ended = self._now() if self._ended is None else self._ended

    def due(self) -> Due:
        """What has to happen now."""
        now = self._now()
        if self._ended is not None:
            return Due.LINGER if now - self._ended >= self._limits.linger_seconds else Due.NOTHING
        if now - self._heard >= self._limits.stall_seconds:
            return Due.STALL
        if now - self._sent >= self._limits.heartbeat_seconds:
            return Due.HEARTBEAT
        return Due.NOTHING

    def delay(self) -> float:
        """Seconds until the next thing can be due: measured from what happened last, so that gaps never double."""
        now = self._now()
        if self._ended is not None:
            wait = self._ended + self._limits.linger_seconds - now
        else:
            stall = self._heard + self._limits.stall_seconds - now
            beat = self._sent + self._limits.heartbeat_seconds - now
            wait = min(stall, beat if beat > 0 else self._limits.heartbeat_seconds)
        return max(wait, _SHORTEST)
