"""Retries before the client got a byte: which statuses and faults are retried, and after what pause.

An upstream that answers an error late may have worked on the request, and would be paid twice. So a status is retried
only if it came early. The headers say nothing of this: a `retry-after` may be one that a gateway sends with each 503.

Never reads a body or a clock. Invariant: a turn is sent again at most twice, and never after a refusal that would
repeat. Source of the pauses: the SDKs of OpenAI and Anthropic.
"""

from __future__ import annotations

from http import HTTPStatus

from addons.core.turn import Fault, FaultKind, Head, Send, UpstreamRequest

PAUSES: dict[int, tuple[float, ...]] = {
    408: (0.5,),
    409: (0.5,),
    500: (0.5, 1.0),
    502: (0.5, 1.0),
    503: (0.5, 1.0),
    504: (0.5, 1.0),
    529: (0.5, 1.0),
}
"""Status → the seconds before each retry. A 429 is reported at once: the client knows how to wait, and shows it."""
EARLY_SECONDS = 1.0
"""A status that comes within this time after its request is early. A refusal before any work takes a round trip (the
engine takes none for longer than 0.5 s) and a check of the key, the limits and the fields."""
MAX_SILENT_WAIT = 8.0
FAULT_PAUSES: dict[FaultKind, tuple[float, ...]] = {
    FaultKind.CONNECT: (0.5,),
}
"""Fault → the seconds before each retry. After a request was sent the upstream may have worked on it, and would be paid
twice. The engine itself sends a request again that an ended idle connection cannot have delivered."""


def is_late(head: Head) -> bool:
    """Return whether the upstream may have worked on the request before it sent this status."""
    return head.seconds > EARLY_SECONDS


def may_be_repaired(head: Head) -> bool:
    """Return whether a changed request may be sent: a refusal of the request is one at any time, an error only early."""
    return head.status < HTTPStatus.INTERNAL_SERVER_ERROR or not is_late(head)


class RetryBudget:
    """The retries that one upstream request has left."""

    __slots__ = ("_done", "_request")

    def __init__(self, request: UpstreamRequest) -> None:
        self._request = request
        self._done = 0

    def repaired(self, request: UpstreamRequest) -> None:
        """Continue with a repaired request. It gets no retries of its own."""
        self._request = request

    def after_status(self, head: Head, requested_wait: float | None) -> Send | None:
        """Return the next try, if this status is retried. `requested_wait`: the seconds to wait that the upstream requests."""
        if is_late(head):
            return None
        return self._next(PAUSES.get(head.status, ()), requested_wait or 0.0)

    def after_fault(self, fault: Fault) -> Send | None:
        """Return the next try, if the upstream cannot have seen the request."""
        return self._next(FAULT_PAUSES.get(fault.kind, ()), 0.0)

    def _next(self, pauses: tuple[float, ...], requested_wait: float) -> Send | None:
        if self._done >= len(pauses) or requested_wait > MAX_SILENT_WAIT:
            return None
        pause = max(pauses[self._done], requested_wait)
        self._done += 1
        return Send(self._request, pause)
