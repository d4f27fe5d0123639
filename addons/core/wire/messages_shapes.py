"""The Anthropic messages API's own shapes, and how upstreams vary them: stop reasons, usage, deltas.

Source: Anthropic API reference, "Streaming messages", "Handling stop reasons", and the upstreams named in
`tests/quirks`. Pure look-ups; nothing here keeps state. Invariant: total, any JSON value is read or is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.translate.events import StopReason
from addons.core.usage import Usage
from addons.core.values import obj

Json = Mapping[str, object]

STOPS = {
    "max_tokens": StopReason.LENGTH,
    "length": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
    "content_filter": StopReason.CONTENT_FILTER,
    "content_filtered": StopReason.CONTENT_FILTER,
    "guardrail_intervened": StopReason.CONTENT_FILTER,
    "sensitive": StopReason.CONTENT_FILTER,
}
"""stop_reason → why the model was stopped. Any other word is an end: whether it called tools is seen by its calls."""

BROKEN = frozenset(
    {"error", "network_error", "abort", "aborted", "cancelled", "malformed_tool_use"}
)
"""Stop reasons that say that the answer is not whole."""

CUT = frozenset({StopReason.LENGTH, StopReason.CONTENT_FILTER, StopReason.REFUSAL})
"""Stops in the middle: a call that was under way may not be whole."""

BAD_REQUEST = 400

CREATED = "cache_creation_input_tokens"
READ = "cache_read_input_tokens"
COUNTS = ("input_tokens", CREATED, READ, "output_tokens")
METRICS = {
    "inputTokenCount": "input_tokens",
    "cacheWriteInputTokenCount": CREATED,
    "cacheReadInputTokenCount": READ,
    "outputTokenCount": "output_tokens",
}
"""The names of Bedrock's own counts, in `amazon-bedrock-invocationMetrics` of the last event."""


def number(value: object) -> int:
    """The value when it is a count, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def counts_of(usage: Json) -> dict[str, int]:
    """The counts of one `usage` object."""
    counts = {key: number(usage.get(key)) for key in COUNTS}
    if not counts[CREATED]:
        counts[CREATED] = sum(number(value) for value in obj(usage.get("cache_creation")).values())
    details = obj(usage.get("output_tokens_details"))
    thought = number(details.get("thinking_tokens")) or number(details.get("reasoning_tokens"))
    return {**counts, "thought": thought}


def metrics_of(event: Json) -> dict[str, int]:
    """The counts of Bedrock's metrics, which may be all that there are."""
    metrics = obj(event.get("amazon-bedrock-invocationMetrics"))
    return {ours: number(metrics.get(name)) for name, ours in METRICS.items()}


def usage_of(counts: Mapping[str, int]) -> Usage | None:
    """What Responses counts: its input holds what was read from and written to the cache. None for all zero."""
    tokens_in = sum(counts.get(key, 0) for key in ("input_tokens", CREATED, READ))
    tokens_out = counts.get("output_tokens", 0)
    if not tokens_in + tokens_out:
        return None
    return Usage(
        tokens_in,
        counts.get(READ, 0),
        tokens_out,
        counts.get("thought", 0),
        tokens_in + tokens_out,
        counts.get(CREATED, 0),
    )


def error_in(event: Json, kind: str) -> object | None:
    """The error that an event tells, however it is wrapped."""
    error = event.get("error")
    if error:
        return error
    return event if kind == "error" else None


def status_of(error: object) -> int | None:
    """The status that an error would have had before the stream began, for the one word that others use loosely."""
    return BAD_REQUEST if obj(error).get("type") == "invalid_request_error" else None
