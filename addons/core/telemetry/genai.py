"""A turn in the names of OpenTelemetry's semantic conventions for generative AI.

Source: the registry of the semantic conventions 1.44, of which `opentelemetry-semantic-conventions` is a copy.
Names that are in no registry begin with `codex_shim.`. Never does: name a header, a path, a query, or text of a turn.
Invariant: tokens are attributes of the turn alone, so that a collector counts them once; values are plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from addons.core.telemetry.metrics import COMPLETED, outcome_of
from addons.core.telemetry.record import AttemptRecord, TurnRecord

OPERATION = "chat"
"""The value of `gen_ai.operation.name`."""
PROVIDERS: Mapping[str, str] = {
    "chatgpt": "openai",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "openai-responses": "openai",
    "xai": "x_ai",
}
"""Our name of a provider → the one that the conventions have for it. Others keep theirs."""
TOKEN_USAGE, DURATION, FIRST_CHUNK = (
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
)
TOKEN_BUCKETS = tuple(4**power for power in range(14))
SECOND_BUCKETS = tuple(0.01 * 2**power for power in range(14))
"""As the conventions advise."""
HTTP_METHODS = frozenset({"GET", "POST"})
_FIRST_ERROR_STATUS = 400

Value = str | int | float | bool
Attributes = dict[str, Value]


def span_name(record: TurnRecord) -> str:
    """Return the name of the span of a turn."""
    return f"{OPERATION} {record.model}" if record.model else OPERATION


def common_attributes(record: TurnRecord) -> Attributes:
    """Return what spans and metrics of a turn have in common. Few values are possible."""
    common: Attributes = {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": PROVIDERS.get(record.route, record.route),
    }
    if record.model:
        common["gen_ai.request.model"] = record.model
    if record.attempts:
        common |= _server(record.attempts[-1].url)
    if (outcome := outcome_of(record)) != COMPLETED:
        common["error.type"] = outcome
    return common


def turn_attributes(record: TurnRecord) -> Attributes:
    """Return the attributes of the span of a turn."""
    found = common_attributes(record)
    found |= {
        "gen_ai.request.stream": True,
        "codex_shim.slug": record.slug,
        "codex_shim.route": record.route,
        "codex_shim.status": record.status,
        "codex_shim.attempts": len(record.attempts),
    }
    optional: Mapping[str, Value | None] = {
        "gen_ai.conversation.id": record.thread,
        "gen_ai.agent.name": record.agent,
        "gen_ai.response.time_to_first_chunk": record.ttft,
        "codex_shim.root_thread": record.root,
        "codex_shim.fallback": record.fallback,
        "codex_shim.replay": record.replay,
    }
    found |= {name: value for name, value in optional.items() if value}
    if usage := record.usage:
        counts = usage.plain()
        found |= {
            "gen_ai.usage.input_tokens": counts["input"],
            "gen_ai.usage.cache_read.input_tokens": counts["cached"],
            "gen_ai.usage.cache_creation.input_tokens": counts["cache_written"],
            "gen_ai.usage.output_tokens": counts["output"],
            "gen_ai.usage.reasoning.output_tokens": counts["reasoning"],
        }
    return found


def attempt_attributes(attempt: AttemptRecord, number: int) -> Attributes:
    """Return the attributes of the span of an attempt. `number` is 0 for the first one."""
    found = _server(attempt.url)
    if attempt.method in HTTP_METHODS:
        found["http.request.method"] = attempt.method
        if attempt.status:
            found["http.response.status_code"] = attempt.status
        if number:
            found["http.request.resend_count"] = number
    if attempt.reason:
        found["codex_shim.reason"] = attempt.reason
    if attempt.first_byte is not None:
        found["codex_shim.seconds_to_head"] = attempt.first_byte
    if attempt_failed(attempt):
        found["error.type"] = attempt.outcome
    return found


def attempt_failed(attempt: AttemptRecord) -> bool:
    """Return whether an attempt ended by a fault, or with the status of an error."""
    if attempt.outcome.isdecimal():
        return int(attempt.outcome) >= _FIRST_ERROR_STATUS
    return bool(attempt.outcome)


def _server(url: str) -> Attributes:
    """Return the address in a URL; nothing for the name of a local program."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return {}
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": port or (443 if parts.scheme == "https" else 80),
    }
