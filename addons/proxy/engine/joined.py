"""One write instead of several: what one event sends over a connection leaves together.

A head and the small body after it would be two packets, two system calls here and two wake-ups over there. Never does:
change the order of anything, copy a large body.
"""

from __future__ import annotations

from collections.abc import Iterable

from mitmproxy.proxy import commands

MOST_JOINED = 64 * 1024
"""Beyond this, copying costs more than a write."""


class JoinedWrites:
    """Holds the last write back until it is known what follows it."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: commands.SendData | None = None

    def add(self, write: commands.SendData) -> Iterable[commands.SendData]:
        """Take a write; give what has to go before it."""
        held = self._held
        if held is None:
            self._held = write
            return ()
        size = len(held.data) + len(write.data)
        if held.connection is write.connection and size <= MOST_JOINED:
            self._held = commands.SendData(held.connection, held.data + write.data)
            return ()
        self._held = write
        return (held,)

    def take(self) -> Iterable[commands.SendData]:
        """Give what is held back."""
        held, self._held = self._held, None
        return (held,) if held else ()
