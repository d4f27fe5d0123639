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
    """Holds the last write back until the next command is known."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: commands.SendData | None = None

    def add(self, write: commands.SendData) -> Iterable[commands.SendData]:
        """Hold a write back. Return the one that has to go before it."""
        held = self._held
        if held is None:
            self._held = write
            return ()
        size = len(held.data) + len(write.data)
        if held.connection is write.connection and size <= MAX_JOINED_BYTES:
            self._held = commands.SendData(held.connection, held.data + write.data)
            return ()
        self._held = write
        return (held,)

    def take(self) -> Iterable[commands.SendData]:
        """Return what is held back."""
        held, self._held = self._held, None
        return (held,) if held else ()
