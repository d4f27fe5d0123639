"""Wake-ups that can be cancelled, and the stall, heartbeat and linger timers of one stream.

mitmproxy gives each wake-up a task that sleeps to its end, even when nothing waits for it any more. A turn asks for
several, of which nearly none comes due: at hundreds of turns a second, thousands of tasks would wait. Here a wake-up is a
timer of the loop.

Never does: decide what a due timer leads to. Invariant: a cancelled wake-up never comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils

from addons.core.limits import Limits
from addons.core.turn import AwaitsEnd


class WakeupTimers:
    """The wake-ups of one client connection's layer. They end with the connection."""

    __slots__ = ("_handler", "_loop", "_timers")

    def __init__(self, handler: ConnectionHandler) -> None:
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._timers: dict[commands.RequestWakeup, asyncio.TimerHandle] = {}

    def set(self, wakeup: commands.RequestWakeup) -> None:
        """Wake the layer after the wake-up's delay."""
        timer = self._timers[wakeup] = self._loop.call_later(wakeup.delay, self._wake, wakeup)
        # mitmproxy cancels these when the client has left
        self._handler.wakeup_timer.add(timer)  # type: ignore[arg-type]

    def cancel(self, wakeup: commands.RequestWakeup) -> None:
        """Cancel a wake-up. Nothing happens if it has come or was never set."""
        if timer := self._timers.pop(wakeup, None):
            timer.cancel()
            self._handler.wakeup_timer.discard(timer)

    def _wake(self, wakeup: commands.RequestWakeup) -> None:
        timer = self._timers.pop(wakeup)
        self._handler.wakeup_timer.discard(timer)
        asyncio_utils.create_task(
            self._handler.server_event(events.Wakeup(wakeup)), name="wake-up", keep_ref=True
        )


_SHORTEST = 0.005


class Due(Enum):
    """Actions that are due at a wake-up."""

    NOTHING = auto()
    HEARTBEAT = auto()
    STALL = auto()
    NO_ANSWER = auto()
    """The upstream is active, but no event of its answer comes."""
    LINGER = auto()
    """The terminal event was seen, or the answer is complete, and the upstream does not end its body."""
    UNREAD = auto()
    """The client accepts nothing of what was written to it."""


class Count(Enum):
    """What the bytes that a client has accepted are counted at."""

    WINDOW = auto()
    """The window of its stream (HTTP/2)."""
    SOCKET = auto()
    """The socket at its end."""
    BUFFER = auto()
    """The buffer of its connection in this process."""


class SilenceClock:
    """The times of the last activity in each direction, and of the end of the answer. Monotonic."""

    __slots__ = (
        "_accepted",
        "_answered",
        "_client_fed",
        "_complete",
        "_count",
        "_limits",
        "_now",
        "_terminal",
        "_unread",
        "_upstream_active",
        "is_earlier",
        "stall_seconds",
    )

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._upstream_active = self._answered = self._client_fed = now()
        self._terminal: float | None = None
        self._complete: float | None = None
        """When the client was last sent a part of an answer that is complete."""
        self._count: Count | None = None
        self._accepted = 0
        """The most bytes that the client was seen to have accepted while others waited for it."""
        self._unread: float | None = None
        """When that was, if bytes wait for the client."""
        self.is_earlier = False
        """Whether something is due earlier than at the last `delay`."""
        self.stall_seconds = limits.stall_seconds
        """Silence of the upstream after which the attempt under way fails."""

    def attempt_sent(self, silence_seconds: float) -> None:
        """Note that a request was sent. `silence_seconds`: its own limit for silence, 0 if it has none."""
        limit = self._limits.stall_seconds
        self.stall_seconds = min(silence_seconds, limit) if silence_seconds else limit
        self.answered()

    def upstream_active(self) -> None:
        """Note that the upstream, or the client's socket, was active."""
        self._upstream_active = self._now()

    def answered(self) -> None:
        """Note an event of the answer, or the begin of an attempt. It is activity of the upstream as well."""
        self._upstream_active = self._answered = self._now()

    def client_fed(self) -> None:
        """Note that the client was sent what resets its own timer: the head, an event with data, a heartbeat."""
        self._client_fed = self._now()

    def client_reads(self) -> None:
        """Note that nothing waits for the client."""
        self._unread = None

    def client_waits(self, accepted: int, count: Count) -> None:
        """Note that bytes wait for the client, which has accepted this many so far, plus or minus a constant.

        The bytes of another count are not compared: that it changed is a sign of life as well.
        """
        self.answered()
        self.client_fed()
        if self._unread is None or count is not self._count or accepted > self._accepted:
            self._unread, self._accepted, self._count = self._now(), accepted, count

    def terminal_seen(self) -> None:
        """Note that the client was sent its terminal event. Only the first call counts."""
        self._terminal = self._now() if self._terminal is None else self._terminal

    def answer_complete(self, *, extended: bool) -> None:
        """Note that the answer is complete. `extended`: the client was sent another part of it."""
        self.is_earlier = self.is_earlier or self._complete is None
        if extended or self._complete is None:
            self._complete = self._now()

    def answer_continues(self) -> None:
        """Note that the answer is not complete."""
        self._complete = None

    def answer_went_on(self, translator: AwaitsEnd, *, extended: bool) -> None:
        """Note what a read brought of an answer, whose translator says whether it is complete."""
        if translator.awaits_end:
            self.answer_complete(extended=extended)
        else:
            self.answer_continues()

    @property
    def _ended(self) -> float | None:
        return self._complete if self._terminal is None else self._terminal

    @property
    def lingers(self) -> bool:
        """Whether only the end of the upstream's body is awaited."""
        return self._terminal is not None

    def due(self) -> Due:
        """Return what has to happen now."""
        now = self._now()
        if (ended := self._ended) is not None:
            return Due.LINGER if now - ended >= self._limits.linger_seconds else Due.NOTHING
        if self._unread is not None and now - self._unread >= self._limits.unread_seconds:
            return Due.UNREAD
        if now - self._upstream_active >= self.stall_seconds:
            return Due.STALL
        if now - self._answered >= self._limits.answer_seconds:
            return Due.NO_ANSWER
        if now - self._client_fed >= self._limits.heartbeat_seconds:
            return Due.HEARTBEAT
        return Due.NOTHING

    def delay(self) -> float:
        """Return the seconds until something can be due, measured from the last activity, so that gaps never double."""
        now = self._now()
        self.is_earlier = False
        limits = self._limits
        if (ended := self._ended) is not None:
            return max(ended + limits.linger_seconds - now, _SHORTEST)
        stall = self._upstream_active + self.stall_seconds - now
        answer = self._answered + limits.answer_seconds - now
        beat = self._client_fed + limits.heartbeat_seconds - now
        wait = min(stall, answer, beat if beat > 0 else limits.heartbeat_seconds)
        if self._unread is not None:
            wait = min(wait, self._unread + limits.unread_seconds - now)
        return max(wait, _SHORTEST)
