"""The virtual clock: events in the order of their time, and the trace of what happened.

Invariant: equal seeds give equal runs. Nothing here reads a real clock.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random

Action = Callable[[], None]
TRACE_LINES = 400


class ViolationError(AssertionError):
    """An invariant does not hold. The text names the invariant and the turn."""


class Clock:
    """Virtual time in seconds, and what is to happen at which time."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  a seed makes it repeatable
        self.now = 0.0
        self.events = 0
        """Actions that have run, events that a layer was given, and commands that were carried out."""
        self.trace: deque[str] = deque(maxlen=TRACE_LINES)
        self._order = count()
        self._queue: list[tuple[float, int, str, Action]] = []

    def after(self, seconds: float, name: str, action: Action) -> None:
        """Run an action later. Actions of equal time run in the order of these calls."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), name, action))

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:10.4f}  {line}")

    def run(self, until: float) -> None:
        """Run actions until none is left or the time is up."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, name, action = heapq.heappop(self._queue)
            self.events += 1
            if name:
                self.note(name)
            action()

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < probability
