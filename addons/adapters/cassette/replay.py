"""Reads a cassette, and writes the parts of a recorded answer at their times.

Never does: write a file, wait longer than the recorded pauses. Invariant: a file that is no cassette is a CassetteError
with its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from addons.core.cassette.format import Cassette, CassetteError, loads
from addons.core.cassette.player import Player
from addons.core.limits import Limits
from addons.core.server.replay import ReplayPlans
from addons.core.turn import LocalSource, Sink


@dataclass(frozen=True, slots=True)
class CassetteUse:
    """What a process does with cassettes: records to a new file, or answers from one."""

    record: Path | None = None
    player: Player | None = None
    speed: float = 1.0
    """How many times as fast as recorded. 0: without pauses."""

    def plans(self, limits: Limits) -> ReplayPlans | None:
        """Return what plans turns that are answered from the cassette."""
        player = self.player
        if player is None:
            return None
        return ReplayPlans(player, limits, lambda parts: paced(parts, self.speed))


NO_CASSETTE = CassetteUse()


def read_cassette(path: Path) -> Cassette:
    """Read a file. Raises CassetteError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise CassetteError(msg) from None
    try:
        return loads(data)
    except CassetteError as error:
        msg = f"{path}, {error}"
        raise CassetteError(msg) from None


def paced(parts: Sequence[tuple[float, str]], speed: float) -> LocalSource:
    """Return a source that writes each part at its time, divided by the speed. 0: all at once."""

    async def write(sink: Sink) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for at, text in parts:
            if speed and (pause := began + at / speed - clock()) > 0:
                await asyncio.sleep(pause)
            await sink.write(text.encode())

    return write
