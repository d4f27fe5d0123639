"""Second tries of an attempt that nobody saw: which statuses and faults deserve one, after how long.

Never does: look at a body or a clock. Invariant: a turn is sent again at most twice, and never after a refusal that
would only come again. The pauses are those of the SDKs of OpenAI and Anthropic.
"""

from __future__ import annotations

from addons.core.turn import Fault, FaultKind, Send, WireRequest

PAUSES: dict[int, tuple[float, ...]] = {
    408: (0.5,),
    409: (0.5,),
    500: (0.5, 1.0),
    502: (0.5, 1.0),
    503: (0.5, 1.0),
    504: (0.5, 1.0),
    529: (0.5, 1.0),
}
"""Status → the seconds before each further try. A 429 is told at once: the client knows how to wait, and shows it."""
LONGEST_SILENT_WAIT = 8.0
FAULT_PAUSES: dict[FaultKind, tuple[float, ...]] = {
    FaultKind.CONNECT: (0.5,),
    FaultKind.RESET: (0.5,),
}


class Tries:
    """What one wire request has left."""

    __slots__ = ("_done", "_wire")

    def __init__(self, wire: WireRequest) -> None:
        self._wire = wire
        self._done = 0

    def after_status(self, status: int, asked: float | None) -> Send | None:
        """Give the next try, if this status deserves one. `asked`: the seconds that the upstream wants us to wait."""
        return self._next(PAUSES.get(status, ()), asked or 0.0)

    def after_fault(self, fault: Fault) -> Send | None:
        """Give the next try, if the upstream cannot have begun to answer."""
        if fault.reused and fault.kind is FaultKind.RESET:
            # The connection was idle and its end crossed our request: nothing is wrong with the upstream.
            return self._next((0.0,), 0.0)
        return self._next(FAULT_PAUSES.get(fault.kind, ()), 0.0)

    def _next(self, pauses: tuple[float, ...], asked: float) -> Send | None:
        if self._done >= len(pauses) or asked > LONGEST_SILENT_WAIT:
            return None
        pause = max(pauses[self._done], asked)
        self._done += 1
        return Send(self._wire, pause)
