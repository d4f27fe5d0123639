"""Bounds what mitmweb and the console keep of flows that have ended: the oldest make room for the newest.

Never does: touch a flow that runs or is held, or the newest one. Invariant: after each flow that ends, what is kept is
within both caps, or is that flow and those that still run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mitmproxy import flow, http

from addons.core.limits import MIB
from addons.proxy.kept import Kept

MOST_FLOWS = 1000
MOST_BYTES = 256 * MIB
OVERHEAD = 8 * 1024
"""What a flow takes beside its bodies: heads, connections, the page's own copy."""


class Store(Protocol):
    """mitmproxy's `view`: every flow that is kept, oldest first."""

    @property
    def resolve(self) -> Callable[[str], Sequence[flow.Flow]]:
        """The flows that a specification names."""

    @property
    def remove(self) -> Callable[[Sequence[flow.Flow]], None]:
        """Forget these flows, and end those that run."""


class FlowCap:
    """Makes room in one store."""

    def __init__(self, flows: int = MOST_FLOWS, size: int = MOST_BYTES) -> None:
        self.flows = flows
        self.size = size
        self._sizes: dict[str, int] = {}
        """Flow id → size, of flows that have ended and are not held."""

    def make_room(self, store: Store, newest: flow.Flow) -> None:
        """`newest` has ended: forget the oldest ended flows until both caps are kept."""
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
                # one by one: mitmproxy would tell of several in its log, each time
                store.remove([one])
                count, size = count - 1, size - self._sizes.pop(one.id)


def size_of(one: flow.Flow) -> int:
    """About how much memory a flow takes, in bytes."""
    return OVERHEAD + (Kept.of(one).size if isinstance(one, http.HTTPFlow) else 0)
