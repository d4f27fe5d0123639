"""What happened to each turn, as the simulated upstreams saw it, and the invariants that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.simulation.clock import Clock, ViolationError
from benchmarks.simulation.watch import Watch

ROUND_TRIP_LIMIT = 0.5
"""Seconds after which an upstream may have worked on a request (docs/faults.md)."""
OK = 200
CHANGED = 400
"""A refusal after which a changed request may be sent: the upstream did not accept the first."""
RETRIED = frozenset({408, 409, 500, 502, 503, 504, 529})
"""Refusals after which a turn may be sent again, if they come before anything of it can have been worked on."""
EARLY_LIMIT = 1.0
"""Seconds after which a refusal may follow work (docs/faults.md)."""


@dataclass(slots=True)
class ReceivedRequest:
    """One request for a turn, as an upstream received it."""

    reused: bool
    received_at: float
    turn: int = 0
    host: str = ""
    status: int = 0
    """The status that was sent; 0 while none was."""
    answered_at: float = 0.0
    """When it was sent."""
    sent: bytearray = field(default_factory=bytearray)
    text: str = ""
    """The text of the deltas that were sent."""
    refuses: bool = False
    """Whether a stream with status 200 says that a limit is used up."""
    finished: bool = False
    """Whether the whole answer was sent, with its end."""
    ended_at: float | None = None
    """When the connection ended under this request."""


class Ledger:
    """The requests of each turn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.watch = Watch(clock)
        self.asks: dict[int, list[ReceivedRequest]] = {}
        self.crossed: set[int] = set()
        """Turns whose request was on its way when the upstream sent unasked bytes for the first time (decision 0004)."""

    def ask(self, turn: int, host: str, *, reused: bool) -> ReceivedRequest:
        """Note a request. Raises ViolationError if the turn was worked on before, or must not come here."""
        self.watch.asked(turn, host)
        before = self.asks.setdefault(turn, [])
        if before and not self._may_follow(before, host):
            message = f"turn {turn} was sent again after {before[-1]}"
            raise ViolationError(message)
        made = ReceivedRequest(reused, self._clock.now, turn, host)
        before.append(made)
        return made

    def _may_follow(self, before: list[ReceivedRequest], host: str) -> bool:
        last = before[-1]
        if last.host == host:
            return self._may_repeat(last)
        # a fallback, which is asked once, and not after an answer has begun
        is_first = all(ask.host != host for ask in before)
        return is_first and (last.status != OK or last.refuses)

    @staticmethod
    def _may_repeat(ask: ReceivedRequest) -> bool:
        if ask.status:
            is_early = ask.answered_at - ask.received_at <= EARLY_LIMIT
            return ask.status == CHANGED or (ask.status in RETRIED and is_early)
        if ask.sent or not ask.reused or ask.ended_at is None:
            return False
        return ask.ended_at - ask.received_at <= ROUND_TRIP_LIMIT

    def check_answer(self, turn: int, text: str, *, completed: bool) -> None:
        """Check a turn's whole answer against what its last upstream sent."""
        asks = self.asks.get(turn, [])
        last = asks[-1] if asks else None
        if completed and (last is None or not last.finished):
            message = f"turn {turn} was completed, but its upstream sent {last}"
            raise ViolationError(message)
        if completed and last is not None and text != last.text:
            message = f"turn {turn} has the text {text!r}, its upstream sent {last.text!r}"
            raise ViolationError(message)
