"""One turn as one line of the access log: figures and names, as plain data for JSON.

Never does: hold content, a header or a secret. Invariant: every value is a number, a short printable name or a list
of such.
"""

from __future__ import annotations

from datetime import UTC, datetime

from addons.core.record import AttemptRecord, TurnRecord, shown

MOST_NOTES = 20


def access_line(record: TurnRecord, broke_at: str = "") -> dict[str, object]:
    """The fields of one line. `broke_at` is where the thread's cached prefix broke, if it did."""
    usage = record.usage.plain() if record.usage else None
    return {
        "time": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="milliseconds"),
        "id": record.id,
        "thread": record.thread,
        "slug": record.slug,
        "route": record.route,
        "model": record.model,
        "attempts": [_attempt(one) for one in record.attempts],
        "status": record.status,
        "terminal": record.terminal,
        "error": record.error,
        "ended": record.ended,
        "ttft": _rounded(record.ttft),
        "seconds": _rounded(record.seconds),
        "usage": usage,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "dropped": [shown(one) for one in record.dropped[:MOST_NOTES]],
        "replay": record.replay,
        **({"prefix_broke_at": broke_at} if broke_at else {}),
    }


def _attempt(attempt: AttemptRecord) -> dict[str, object]:
    return {
        "url": attempt.url,
        "reason": attempt.reason,
        "outcome": attempt.outcome,
        "seconds": _rounded(attempt.seconds),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
