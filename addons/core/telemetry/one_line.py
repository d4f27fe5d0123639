"""The one-line forms of a turn: the comment of its flow, its summary, and its line of the access log.

In the comment, which mitmweb shows in its list of flows, slug and state come first, because the list cuts it off at its
end. A circle shows a failure in the list, in the colour of the flow's mark: the status of a stream that failed is 200.
Never does: hold content or a header. Invariant: every value of an access line is a number, a short printable name or a
list of such.
"""

from __future__ import annotations

from datetime import UTC, datetime

from addons.core.telemetry.record import FAILED_MARKER, GOOD_TERMINALS, RETRIED_MARKER, TurnRecord
from addons.core.turn import ClientTransport, printable

MAX_NOTES = 20
"""Entries of `dropped` in an access line."""
_UNITS = ((1_000_000_000, "B", 2), (1_000_000, "M", 1), (1000, "k", 1))
"""Size, name and decimal places of the units of `short_count`."""
MIN_RATE_SECONDS, MIN_RATE_TOKENS = 0.1, 10
"""Below these there is no output rate: an answer that came in one piece says nothing about the speed of its model."""
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
    if record.search:
        parts.append(record.search)
    if record.dropped:
        names = ", ".join(printable(note) for note in record.dropped[:_SHOWN_DROPPED])
        parts.append(f"dropped {names}")
    if record.replay:
        parts.append("sent again")
    return " · ".join(parts)


def turn_name(record: TurnRecord) -> str:
    """Return `slug → model`."""
    return f"{record.slug} → {record.model}" if record.model else record.slug


def summary(record: TurnRecord) -> str:
    """Return `slug → model · 200 · TTFT 0.8 s · 312 tok/s · in 18.2k (cached 17k) out 640`."""
    line = f"{turn_name(record)} · {record.status or 'no answer'}"
    if record.terminal not in GOOD_TERMINALS:
        line += f" · {record.terminal}"
    if record.error:
        line += f" · {record.error}"
    if record.ended:
        line += f" · {record.ended}"
    if record.fallback:
        line += f" · {record.fallback}"
    if len(record.attempts) > 1:
        line += f" · {len(record.attempts)} attempts"
    if record.ttft is not None:
        line += f" · TTFT {record.ttft:{'.2g' if record.ttft < 1 else '.1f'}} s"
    if (speed := tokens_per_second(record)) is not None:
        line += f" · {speed:.0f} tok/s"
    if usage := record.usage:
        cached = f" (cached {short_count(usage.cached_tokens)})" if usage.cached_tokens else ""
        tokens_in, tokens_out = short_count(usage.input_tokens), short_count(usage.output_tokens)
        line += f" · in {tokens_in}{cached} out {tokens_out}"
    return line


def marker(record: TurnRecord) -> str:
    """Return mitmproxy's mark of a flow: red for a failed turn, yellow for more than one attempt, else empty."""
    if not record.ok:
        return FAILED_MARKER
    return RETRIED_MARKER if len(record.attempts) > 1 else ""


def tokens_per_second(record: TurnRecord) -> float | None:
    """Return the output rate after the first delta, None when it is unknown or the answer is too short for one."""
    usage, ttft = record.usage, record.ttft
    if usage is None or ttft is None or usage.output_tokens < MIN_RATE_TOKENS:
        return None
    duration = record.seconds - ttft
    return usage.output_tokens / duration if duration >= MIN_RATE_SECONDS else None


def short_count(tokens: int) -> str:
    """Return a token count in short form: 640, 18.2k, 1.3M, 1.88B."""
    for unit, name, places in _UNITS:
        if tokens >= unit - (unit // 20_000):  # from there on it rounds up to 1
            return f"{tokens / unit:.{places}f}".rstrip("0").rstrip(".") + name
    return str(tokens)


def access_line(record: TurnRecord, broke_at: str = "") -> dict[str, object]:
    """Return the fields of a line of the access log. `broke_at` is where the thread's cached prefix broke, if it did."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(record.started, UTC).isoformat(timespec="milliseconds"),
        "id": record.id,
        "thread": record.thread,
        "agent": record.agent,
        "slug": record.slug,
        "route": record.route,
        "model": record.model,
        "attempts": attempt_facts(record),
        "status": record.status,
        "terminal": record.terminal,
        "error": record.error,
        "ended": record.ended,
        "ttft": None if record.ttft is None else round(record.ttft, 4),
        "seconds": round(record.seconds, 4),
        "usage": record.usage.plain() if record.usage else None,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "dropped": [printable(note) for note in record.dropped[:MAX_NOTES]],
    }
    if record.repairs:
        line["repairs"] = [printable(note) for note in record.repairs]
    if record.fallback:
        line["fallback"] = printable(record.fallback)
    if record.search:
        line["search"] = printable(record.search)
    if record.queries:
        line["queries"] = [printable(query) for query in record.queries]
    line["replay"] = record.replay
    if record.transport is not ClientTransport.HTTP:
        line["transport"] = str(record.transport)
    if broke_at:
        line["prefix_broke_at"] = broke_at
    return line


def attempt_facts(record: TurnRecord) -> list[dict[str, object]]:
    """Return each attempt without its content. What is searched for is content, which some services take in the URL."""
    return [
        {
            "url": attempt.url.partition("?")[0] if record.search else attempt.url,
            "reason": attempt.reason,
            "outcome": attempt.outcome,
            "seconds": round(attempt.seconds, 4),
        }
        for attempt in record.attempts
    ]
