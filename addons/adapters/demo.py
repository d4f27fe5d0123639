"""The demo model's pace, ids and clock. Its text is decided in `addons.core.providers.demo`.

Never does: open a file or a socket. Invariant: chunks are written whole and in order, and writing ends as soon as the
client leaves.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

from addons.core.limits import Limits
from addons.core.providers.demo import DemoPlan
from addons.core.routes import Route
from addons.core.turn import ClientRequest, LocalSource, Plan, Sink

PAUSE_SECONDS = 0.02
DEFAULT_LIMITS = Limits()


def paced(chunks: Sequence[bytes], pause_seconds: float = PAUSE_SECONDS) -> LocalSource:
    """Return a source that writes the chunks with a pause after each, so that the streaming is visible."""

    async def write(sink: Sink) -> None:
        # It takes 20 ms to import, and `codex-shim list` never runs this.
        import asyncio  # noqa: PLC0415

        for chunk in chunks:
            await sink.write(chunk)
            await asyncio.sleep(pause_seconds)

    return write


def plan_demo(request: ClientRequest, route: Route, limits: Limits = DEFAULT_LIMITS) -> Plan:
    """Make the plan of a turn of the demo. With `limits` bound it is the `make_plan` of its route."""
    return DemoPlan(request, route, paced, uuid.uuid4().hex, int(time.time()), limits)
