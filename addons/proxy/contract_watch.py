"""Notes what clients send and upstreams answer that no recorded contract of Codex has, while the shim serves.

Never does: read a body on the event loop, look at a client other than Codex, keep a text. Invariant: the request of at
most one turn in `INTERVAL_SECONDS` is read. A thread sends its items again with every turn, so little is missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from mitmproxy import http

from addons.adapters.codex.contracts import add_seen, everything_recorded
from addons.adapters.system.tasks import spawn
from addons.core.contract.contract import Names, Section
from addons.core.contract.seen import unknown
from addons.core.contract.structure import SentRequest, structure_of
from addons.core.json_values import as_object
from addons.core.limits import MIB
from addons.core.telemetry.record import METADATA_KEY, UNKNOWN_EVENTS
from addons.core.turn import shim_path
from addons.views.turn_data import plain_body

INTERVAL_SECONDS = 60.0
MAX_BODY_BYTES = 2 * MIB
"""A larger body is not read, which takes 10 ms for each MiB."""
_CODEX = "codex"


class ContractWatch:
    """Looks at finished flows."""

    def __init__(self, env: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._env = env
        self._clock = clock
        self._due = 0.0
        self._events: set[str] = set()
        """Unknown events that were noted."""

    def ended(self, flow: http.HTTPFlow) -> None:
        """Look at a finished flow: at its unknown events, and now and then at its request."""
        now = self._clock()
        listed = as_object(flow.metadata.get(METADATA_KEY)).get(UNKNOWN_EVENTS)
        events = set(listed) - self._events if isinstance(listed, list) else set[str]()
        if now < self._due and not events:
            return
        if not flow.request.headers.get("originator", "").startswith(_CODEX):
            return
        self._events |= events
        self._due = now + INTERVAL_SECONDS
        spawn(asyncio.to_thread(self._note, _request(flow), events, time.time()), "contract watch")

    def _note(self, sent: SentRequest, events: set[str], now: float) -> None:
        """Note what is unknown about a turn. Blocks."""
        headers = sent.headers or {}
        body = plain_body(sent.body, headers.get("content-encoding", ""))
        parts: list[Mapping[Section, Names]] = [structure_of(sent.with_body(body))]
        parts.append({"event": dict.fromkeys(events, frozenset[str]())})
        client = headers.get("user-agent", "").split(" ", 1)[0]
        add_seen(self._env, unknown(everything_recorded(), parts, client, now))


def _request(flow: http.HTTPFlow) -> SentRequest:
    request = flow.request
    body = request.raw_content or b""
    return SentRequest(
        request.method,
        shim_path(request.path),
        tuple(sorted(set(request.query.keys()))),
        {name.lower(): value for name, value in request.headers.items()},
        body if len(body) <= MAX_BODY_BYTES else b"",
    )
