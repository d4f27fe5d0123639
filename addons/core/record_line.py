"""One turn in one line, for a flow's comment and the console.

Never does: show content. Invariant: what a client or an upstream named is printable and short.
"""

from __future__ import annotations

from addons.core.record import TurnRecord

THOUSAND, MILLION = 1000, 1_000_000
FAILED, DETOUR = ":red_circle:", ":yellow_circle:"


def summary(record: TurnRecord) -> str:
    """`slug → upstream model · 200 · TTFT 0.8 s · 312 tok/s · in 18.2k (cached 17k) out 640`."""
    parts = [_way(record), str(record.status or "no answer"), *_ends(record)]
    if record.ttft is not None:
        parts.append(
            f"TTFT {record.ttft:.2g} s" if record.ttft < 1 else f"TTFT {record.ttft:.1f} s"
        )
    if (speed := tokens_per_second(record)) is not None:
        parts.append(f"{speed:.0f} tok/s")
    return " · ".join((*parts, *_usage(record)))


def marker(record: TurnRecord) -> str:
    """Mitmproxy's mark: red for a turn that failed, yellow for one that took more than one attempt."""
    if not record.ok:
        return FAILED
    return DETOUR if len(record.attempts) > 1 else ""


def tokens_per_second(record: TurnRecord) -> float | None:
    """How fast the answer came once it had begun."""
    took = record.seconds - (record.ttft or 0.0)
    if record.usage is None or record.ttft is None or took <= 0 or not record.usage.output_tokens:
        return None
    return record.usage.output_tokens / took


def count(tokens: int) -> str:
    """A number of tokens as people say it: 640, 18.2k, 1.3M."""
    if tokens < THOUSAND:
        return str(tokens)
    unit, name = (MILLION, "M") if tokens >= MILLION - THOUSAND // 20 else (THOUSAND, "k")
    return f"{tokens / unit:.1f}".removesuffix(".0") + name


def _way(record: TurnRecord) -> str:
    return f"{record.slug} → {record.model}" if record.model else record.slug


def _ends(record: TurnRecord) -> list[str]:
    said = [] if record.terminal in {"", "response.completed"} else [record.terminal]
    reasons = [one for one in (record.error, record.ended) if one]
    tries = [f"{len(record.attempts)} attempts"] if len(record.attempts) > 1 else []
    return [*said, *reasons, *tries]


def _usage(record: TurnRecord) -> list[str]:
    usage = record.usage
    if usage is None:
        return []
    cached = f" (cached {count(usage.cached_tokens)})" if usage.cached_tokens else ""
    return [f"in {count(usage.input_tokens)}{cached} out {count(usage.output_tokens)}"]
