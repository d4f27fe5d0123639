"""Wake-ups of a layer: those that are taken back do not come."""

from __future__ import annotations

import asyncio
from typing import cast

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler

from addons.proxy.engine.timers import WakeupTimers


class Handler:
    """What alarms need of a connection's handler."""

    def __init__(self) -> None:
        self.wakeup_timer: set[asyncio.TimerHandle] = set()
        self.upstream_active: asyncio.Queue[events.Event] = asyncio.Queue()

    async def server_event(self, event: events.Event) -> None:
        self.upstream_active.put_nowait(event)


async def test_one_that_is_taken_back_does_not_ring() -> None:
    handler = Handler()
    alarms = WakeupTimers(cast("ConnectionHandler", handler))
    early, late = commands.RequestWakeup(0.0), commands.RequestWakeup(0.001)
    alarms.set(early)
    (timer,) = handler.wakeup_timer
    alarms.set(late)

    alarms.cancel(early)

    assert timer.cancelled()
    rung = await asyncio.wait_for(handler.upstream_active.get(), 5)
    assert isinstance(rung, events.Wakeup)
    assert rung.command is late
    assert handler.upstream_active.empty()
    assert not handler.wakeup_timer


async def test_one_that_has_rung_can_be_taken_back() -> None:
    handler = Handler()
    alarms = WakeupTimers(cast("ConnectionHandler", handler))
    wakeup = commands.RequestWakeup(0.0)
    alarms.set(wakeup)
    await asyncio.wait_for(handler.upstream_active.get(), 5)

    alarms.cancel(wakeup)

    assert handler.upstream_active.empty()
