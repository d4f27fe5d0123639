"""Wake-ups that can be taken back: a timer of the loop each, no task.

mitmproxy gives each wake-up a task that sleeps to its end, also when nobody waits any more. A turn asks for several, of
which nearly none comes due: at hundreds of turns a second, thousands of them would wait.
"""

from __future__ import annotations

import asyncio

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.utils import asyncio_utils


class Alarms:
    """The wake-ups that one client connection's layer waits for. They end with the connection."""

    __slots__ = ("_handler", "_timers")

    def __init__(self, handler: ConnectionHandler) -> None:
        self._handler = handler
        self._timers: dict[commands.RequestWakeup, asyncio.TimerHandle] = {}

    def set(self, wakeup: commands.RequestWakeup) -> None:
        """Wake the layer after the wake-up's delay."""
        loop = asyncio.get_running_loop()
        timer = self._timers[wakeup] = loop.call_later(wakeup.delay, self._ring, wakeup)
        # what mitmproxy cancels when the client has left
        self._handler.wakeup_timer.add(timer)  # type: ignore[arg-type]

    def cancel(self, wakeup: commands.RequestWakeup) -> None:
        """Take a wake-up back. Nothing happens when it has come, or was never set."""
        if timer := self._timers.pop(wakeup, None):
            timer.cancel()
            self._handler.wakeup_timer.discard(timer)

    def _ring(self, wakeup: commands.RequestWakeup) -> None:
        timer = self._timers.pop(wakeup)
        self._handler.wakeup_timer.discard(timer)
        asyncio_utils.create_task(
            self._handler.server_event(events.Wakeup(wakeup)), name="wake-up", keep_ref=True
        )
