"""Reads a cassette, and writes the parts of a recorded answer at their times.

Never does: write a file, wait longer than the recorded pauses. Invariant: a file that is no cassette is a CassetteError
with its name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from addons.core.cassette.format import Cassette, CassetteError, loads
from addons.core.turn import LocalSource, Sink


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
