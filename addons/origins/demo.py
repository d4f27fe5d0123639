"""Where the built-in model meets the world: its pace, its ids and its clock.

What it says is decided in `addons.core.providers.demo`. Never opens a file or a socket. Invariant: chunks are written
whole and in order; a client that leaves ends the writing at once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from addons.core.limits import Limits
from addons.core.providers.demo import DemoPlan
from addons.core.routes import Route
from addons.core.turn import ClientRequest, Plan, Sink, SyntheticOrigin

PAUSE_SECONDS = 0.02
DEFAULT_LIMITS = Limits()


def paced(chunks: Sequence[bytes], pause_seconds: float = PAUSE_SECONDS) -> SyntheticOrigin:
    """Make an origin that writes the chunks with a pause after each, so that the stream can be seen."""

    async def origin(sink: Sink) -> None:
        # 20 ms to import, and `codex-shim list` never comes here.
        import asyncio  # noqa: PLC0415

        for chunk in chunks:
            await sink.write(chunk)
            await asyncio.sleep(pause_seconds)

    return origin


def plan_demo(request: ClientRequest, route: Route, limits: Limits = DEFAULT_LIMITS) -> Plan:
    """Plan a turn of the demo; with the limits bound, the `make_plan` of its route."""
    return DemoPlan(request, route, paced, uuid.uuid4().hex, int(time.time()), limits)
