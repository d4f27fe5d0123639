"""Bounds the finished flows that mitmweb and the console keep: the oldest are removed for the newest.

Never does: remove a flow that runs or is intercepted, or the newest one. Invariant: after each flow that ends, the
kept flows are within both caps, or are that flow and those that still run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mitmproxy import flow, http

from addons.core.limits import MIB
from addons.proxy.recent_turns import FinishedTurn

MAX_FLOWS = 1000
MAX_BYTES = 256 * MIB
OVERHEAD = 8 * 1024
"""Memory of a flow apart from its bodies: heads, connections, the copy of the web page."""


class Store(Protocol):
    """mitmproxy's `view` addon: every kept flow, oldest first."""

    @property
    def resolve(self) -> Callable[[str], Sequence[flow.Flow]]:
        """Return the flows that a flow specification selects."""

    @property
    def remove(self) -> Callable[[Sequence[flow.Flow]], None]:
        """Remove these flows; kill those that run."""


class FlowCap:
    """Removes old flows from one store."""

    def __init__(self, flows: int = MAX_FLOWS, size: int = MAX_BYTES) -> None:
        self.flows = flows
        self.size = size
        self._sizes: dict[str, int] = {}
        """Flow id → size, of flows that have ended and are not held."""

    def make_room(self, store: Store, newest: flow.Flow) -> None:
        """Remove the oldest finished flows until both caps hold. `newest` has just ended."""
        kept = store.resolve("@all")
        known = self._sizes
        self._sizes = {
            one.id: known[one.id] if one.id in known and one is not newest else size_of(one)
            for one in kept
            if not one.live and not one.intercepted
        }
        count, size = len(kept), sum(self._sizes.values())
        for one in kept:
            if count <= self.flows and size <= self.size:
                return
            if one is not newest and one.id in self._sizes:
                # One at a time: mitmproxy logs a line when several are removed together.
                store.remove([one])
                count, size = count - 1, size - self._sizes.pop(one.id)


def size_of(one: flow.Flow) -> int:
    """Return about how much memory a flow takes, in bytes."""
    return OVERHEAD + (FinishedTurn.of(one).size if isinstance(one, http.HTTPFlow) else 0)
