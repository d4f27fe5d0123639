"""One write instead of several: joins what one event sends over a connection.

A head and the small body after it would be two packets, two system calls here and two wake-ups at the peer.

Never does: copy a large body. Invariant: the order of bytes and commands stays.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy.proxy import commands

MAX_JOINED_BYTES = 64 * 1024
"""Beyond this, copying costs more than a write."""


class CoalescedWrites:
    """Holds writes back until another command, or the end of the event, comes."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[commands.SendData] = []

    def add(self, write: commands.SendData) -> None:
        """Hold a write back, joined with the one before it if both are small and go to the same connection."""
        last = self._held[-1] if self._held else None
        if (
            last
            and last.connection is write.connection
            and len(last.data) + len(write.data) <= MAX_JOINED_BYTES
        ):
            last.data += write.data
        else:
            self._held.append(write)

    def take(self) -> Iterable[commands.SendData]:
        """Return what is held back."""
        if not self._held:
            return ()
        held, self._held = self._held, []
        return held
