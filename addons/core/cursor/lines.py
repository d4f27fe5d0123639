"""The lines of a cursor-agent child, and the one kind of line that is ours.

A child writes one JSON object a line; garbage, prefixes and lines of megabytes happen. What goes on to the reader is
lines that begin with `{`, and, as the last one, a control line with the problem that ended the child's turn.
Invariant: however the bytes are cut into reads, the same lines come out; a child cannot write a control line.
"""

from __future__ import annotations

from dataclasses import asdict

import orjson

from addons.core.errors import Problem

MIB = 1024 * 1024
LONGEST_LINE = 32 * MIB
CONTROL = b"!"
TICK = b"\n"
"""An empty line: the origin lives, although its child is silent."""
_PREFIX = b"stdout:"


class LineSplitter:
    """Cuts bytes into lines. One that is longer than the limit is left out and counted."""

    __slots__ = ("_held", "_limit", "_size", "_skips", "dropped")

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0
        self._skips = False
        self.dropped = 0
        """How many lines were too long."""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that this read ended, without their line feed."""
        first, found, rest = data.partition(b"\n")
        self._hold(first)
        if not found:
            return []
        lines = [] if self._skips else [b"".join(self._held)]
        self._held.clear()
        self._size, self._skips = 0, False
        *whole, last = rest.split(b"\n")
        lines += whole
        self._hold(last)
        return lines

    def finish(self) -> list[bytes]:
        """The line that no line feed has ended."""
        rest = [] if self._skips else [b"".join(self._held)]
        self._held.clear()
        return [line for line in rest if line]

    def _hold(self, data: bytes) -> None:
        if self._skips or not data:
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._held.clear()
            self._skips = True
            self.dropped += 1


def event_line(line: bytes) -> bytes | None:
    """The JSON of a line that may be an event; None for any other."""
    plain = line.strip().removeprefix(_PREFIX).lstrip()
    return plain if plain.startswith(b"{") else None


def control_line(problem: Problem) -> bytes:
    """Write the line that ends the turn with a problem."""
    return CONTROL + orjson.dumps(asdict(problem)) + b"\n"


def read_control(line: bytes) -> Problem | None:
    """Read such a line; None when it is none."""
    if not line.startswith(CONTROL):
        return None
    try:
        return Problem(**orjson.loads(line.removeprefix(CONTROL)))
    except (orjson.JSONDecodeError, TypeError):
        return None
