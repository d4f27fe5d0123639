"""Line framing between the runner of a cursor-agent child and the reader of its events.

A child writes one JSON object per line; garbage, prefixes and lines of megabytes occur. The runner forwards lines that
begin with `{`, and may end the stream with one control line that holds the problem that ended the turn.
Invariant: any split of the bytes into reads gives the same lines; a child cannot write a control line.
"""

from __future__ import annotations

from dataclasses import asdict

import orjson

from addons.core.errors import Problem

MIB = 1024 * 1024
MAX_LINE_BYTES = 32 * MIB
CONTROL = b"!"
TICK = b"\n"
"""An empty line: the runner is alive although its child is silent."""
_PREFIX = b"stdout:"


class LineSplitter:
    """Splits bytes into lines. A line that exceeds the limit is dropped and counted."""

    __slots__ = ("_limit", "_pending", "_size", "_skips", "dropped")

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._pending: list[bytes] = []
        self._size = 0
        self._skips = False
        self.dropped = 0
        """The number of lines that were too long."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their line feeds."""
        first, found, rest = data.partition(b"\n")
        self._append(first)
        if not found:
            return []
        lines = [] if self._skips else [b"".join(self._pending)]
        self._pending.clear()
        self._size, self._skips = 0, False
        *whole, last = rest.split(b"\n")
        lines += whole
        self._append(last)
        return lines

    def finish(self) -> list[bytes]:
        """Return the last line, if no line feed ended it."""
        rest = [] if self._skips else [b"".join(self._pending)]
        self._pending.clear()
        return [line for line in rest if line]

    def _append(self, data: bytes) -> None:
        if self._skips or not data:
            return
        self._pending.append(data)
        self._size += len(data)
        if self._size > self._limit:
            self._pending.clear()
            self._skips = True
            self.dropped += 1


def event_line(line: bytes) -> bytes | None:
    """Return the JSON text of a line that may be an event, else None."""
    plain = line.strip().removeprefix(_PREFIX).lstrip()
    return plain if plain.startswith(b"{") else None


def control_line(problem: Problem) -> bytes:
    """Return the line that ends the turn with a problem."""
    return CONTROL + orjson.dumps(asdict(problem)) + b"\n"


def read_control(line: bytes) -> Problem | None:
    """Return the problem of a control line; None for any other line."""
    if not line.startswith(CONTROL):
        return None
    try:
        return Problem(**orjson.loads(line.removeprefix(CONTROL)))
    except (orjson.JSONDecodeError, TypeError):
        return None
