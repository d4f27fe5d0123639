"""The comment of a flow: what the list of flows in mitmweb says about a turn, while it runs and when it has ended.

Slug and state come first, because the list cuts a comment off at its end. A circle shows a failure in the list, in the
colour of the flow's mark: the status of a stream that failed is 200. Never does: hold content or a header.
"""

from __future__ import annotations

from addons.core.telemetry.record import (
    FAILED_MARKER,
    RETRIED_MARKER,
    TurnRecord,
    marker,
    summary,
    turn_name,
)
from addons.core.turn import printable

FAILED = "\N{LARGE RED CIRCLE} "
RETRIED = "\N{LARGE YELLOW CIRCLE} "
_CIRCLES = {FAILED_MARKER: FAILED, RETRIED_MARKER: RETRIED}
_SHOWN_DROPPED = 3
_FIRST_ERROR_STATUS = 400


def running_comment(record: TurnRecord) -> str:
    """Return `slug → model · attempt 2 · waiting for the answer`."""
    attempts = record.attempts
    status = attempts[-1].status if attempts else None
    parts = [turn_name(record)]
    if len(attempts) > 1:
        parts.append(f"attempt {len(attempts)}")
    if status:
        parts.append(str(status))
    is_answer = status and status < _FIRST_ERROR_STATUS
    parts.append("answering" if is_answer else "waiting for the answer")
    return " · ".join(parts)


def ended_comment(record: TurnRecord) -> str:
    """Return the summary, with a circle before it if something went wrong, and what is good for filters behind it."""
    parts = [_CIRCLES.get(marker(record), "") + summary(record)]
    if upstream := record.label or record.route:
        parts.append(f"via {upstream}")
    if record.dropped:
        names = ", ".join(printable(note) for note in record.dropped[:_SHOWN_DROPPED])
        parts.append(f"dropped {names}")
    if record.replay:
        parts.append("sent again")
    return " · ".join(parts)
