"""Reads the answer of an Anthropic messages upstream: its bytes → canonical events.

Source: Anthropic API reference, "Streaming messages", "Handling stop reasons"; the deviations of other upstreams are rows
of `tests/quirks`. Never looks at a provider's name, never writes `response.*` events. Invariant: total; any bytes, split
into any reads, give the same events, and an answer without a stop reason fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import orjson

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.limits import Limits
from addons.core.protocols.answer_reader import AnswerReader, excerpt
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import (
    Event,
    Failed,
    ReasoningDelta,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    stop_reason_of,
)
from addons.core.protocols.messages.reader_blocks import ContentBlocks
from addons.core.protocols.sse import SseEvent
from addons.core.upstream.error_body import states_error
from addons.core.upstream.error_mapping import upstream_problem
from addons.core.upstream.target import Target
from addons.core.usage import Usage

DONE = b"[DONE]"
STOP_REASONS = {
    "end_turn": StopReason.END,
    "tool_use": StopReason.END,
    "stop_sequence": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "length": StopReason.LENGTH,
    "refusal": StopReason.REFUSAL,
}
"""`stop_reason_of` knows the others. Whether the turn called tools is read from its calls."""
TRUNCATED = frozenset({StopReason.LENGTH, StopReason.CONTENT_FILTER, StopReason.REFUSAL})
"""Stop reasons after which the open tool call may be incomplete."""

BAD_REQUEST = 400

CACHE_WRITE = "cache_creation_input_tokens"
CACHE_READ = "cache_read_input_tokens"
COUNTS = ("input_tokens", CACHE_WRITE, CACHE_READ, "output_tokens")
BEDROCK_METRICS = "amazon-bedrock-invocationMetrics"
"""A field of the last event."""
BEDROCK_COUNTS = {
    "inputTokenCount": "input_tokens",
    "cacheWriteInputTokenCount": CACHE_WRITE,
    "cacheReadInputTokenCount": CACHE_READ,
    "outputTokenCount": "output_tokens",
}
"""Bedrock's names of the counts."""


class MessagesReader(AnswerReader):
    """Reads one answer. The input of the tool `answer_tool` is the text of a structured answer."""

    __slots__ = ("_blocks", "_counts")

    def __init__(
        self,
        conversation: Conversation,
        target: Target,
        answer_tool: str = "",
        max_event_bytes: int = Limits().event_bytes,
    ) -> None:
        super().__init__(target, max_event_bytes)
        self._blocks = ContentBlocks(conversation, target.reasoning_scope, answer_tool)
        self._counts: dict[str, int] = {}

    def _read_stream(self, data: bytes) -> list[Event]:
        events = self._read_blocks(self._sse.feed(data))
        if self._sse.too_large and not self._ended:
            events += self._too_large()
        return events

    @property
    def _is_plain(self) -> bool:
        return self._blocks.is_plain

    def _passes(self, kind: type[TextDelta | ReasoningDelta], text: str) -> bool:  # noqa: ARG002 - only text has a template
        return self._blocks.passes(text)

    @staticmethod
    def _template_text(value: Any) -> object:
        # Thinking also changes the state of its block, so it gets no template.
        return value["delta"]["text"]

    def _read_event(self, event: SseEvent) -> list[Event]:
        data = event.data.strip()
        if not data or data == DONE:
            return []
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = self._loads_split(data)
            if value is None:
                return list(self._read_invalid(data))
        return self._read_value(value if isinstance(value, dict) else {}, event.name)

    def _read_invalid(self, data: bytes) -> Iterator[Event]:
        if self._reason is None or self._late:
            yield from self._failed(f"sent an event that is not JSON: {excerpt(data)}")
        else:
            # The answer is complete: only the end of its last event is missing.
            yield from self._stop()

    def _read_document(self, body: bytes) -> Iterator[Event]:
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            yield from self._not_json(body)
            return
        message = as_object(answer)
        if (error := find_error(message, as_str(message.get("type")))) is not None:
            yield Failed(upstream_problem(self._target, implied_status(error), error))
        elif states_error(message):
            yield Failed(upstream_problem(self._target, None, message))
        elif not isinstance(message.get("content"), list):
            yield from self._failed(f"answered in another protocol: {excerpt(body)}")
        else:
            for kind in ("message_start", "message_delta"):
                yield from self._read_value(
                    {"type": kind, "message": message, "delta": message}, ""
                )
            yield from self._stop()

    def _read_value(self, event: JsonObject, name: str) -> list[Event]:
        kind = as_str(event.get("type")) or name
        step = None if event.get("error") else self._STEPS.get(kind)
        events = list(step(self, event)) if step else self._read_error(event, kind)
        if self._blocks.fault:
            events += self._failed(self._blocks.fault)
        return events

    def _read_error(self, event: JsonObject, kind: str) -> list[Event]:
        if (error := find_error(event, kind)) is not None:
            return [Failed(upstream_problem(self._target, implied_status(error), error))]
        if not (self._other or self._blocks.answered) and states_error(event):
            self._other = event
        return []

    def _start_message(self, event: JsonObject) -> Iterator[Event]:
        message = as_object(event.get("message"))
        self._add_counts(read_counts(as_object(message.get("usage"))))
        content = message.get("content")
        for number, block in enumerate(content if isinstance(content, list) else ()):
            key = ("document", number)
            yield from self._blocks.start(key, as_object(block))
            yield from self._blocks.stop(key)

    def _start_block(self, event: JsonObject) -> Iterator[Event]:
        self._late = self._reason is not None
        return self._blocks.start(_block_index(event), as_object(event.get("content_block")))

    def _add_to_block(self, event: JsonObject) -> Iterator[Event]:
        self._late = self._reason is not None
        return self._blocks.delta(_block_index(event), as_object(event.get("delta")))

    def _stop_block(self, event: JsonObject) -> Iterator[Event]:
        return self._blocks.stop(_block_index(event))

    def _end_message(self, event: JsonObject) -> Iterator[Event]:
        delta = as_object(event.get("delta"))
        self._add_counts(read_counts(as_object(event.get("usage"))))
        reason = as_str(delta.get("stop_reason")).lower()
        stop = STOP_REASONS.get(reason) or stop_reason_of(reason)
        if stop is None:
            error = {"error": {"message": f"stop_reason: {reason}", "code": reason}}
            yield Failed(upstream_problem(self._target, 503, error))
        elif reason:
            self._reason = stop
            self._late = False
        if self._reason is StopReason.REFUSAL and not self._blocks.answered:
            explanation = as_str(as_object(delta.get("stop_details")).get("explanation"))
            if explanation:
                yield RefusalDelta(explanation)

    def _end_answer(self, event: JsonObject) -> Iterator[Event]:
        if "usage" in event:
            self._add_counts(read_counts(as_object(event["usage"])))
        if BEDROCK_METRICS in event:
            self._add_counts(read_bedrock_counts(as_object(event[BEDROCK_METRICS])))
        return self._stop()

    _STEPS: ClassVar[Mapping[str, Callable[[MessagesReader, JsonObject], Iterator[Event]]]] = {
        "message_start": _start_message,
        "content_block_start": _start_block,
        "content_block_delta": _add_to_block,
        "content_block_stop": _stop_block,
        "message_delta": _end_message,
        "message_stop": _end_answer,
    }

    def _add_counts(self, counts: Mapping[str, int]) -> None:
        """Keep the largest counts: they are cumulative, and some upstreams send zeros in one of the events."""
        known = self._counts
        for key, count in counts.items():
            if count > known.get(key, 0):
                known[key] = count

    def _stop(self) -> Iterator[Event]:
        if self._reason is None:
            yield from self._interrupted() if self._blocks.answered else self._unanswered()
            return
        yield from self._blocks.finish(truncated=self._reason in TRUNCATED)
        reason = self._reason
        if reason not in TRUNCATED:
            # Some upstreams send end_turn although they call tools.
            reason = StopReason.TOOL_CALLS if self._blocks.calls else StopReason.END
        yield Stopped(reason)

    def _final_usage(self) -> Usage | None:
        return usage_from_counts(self._counts)


def _block_index(event: JsonObject) -> int | None:
    """Return the index of the event's block; None, the key of a block without one, if it is not an integer."""
    index = event.get("index")
    return index if isinstance(index, int) else None


def find_error(event: JsonObject, kind: str) -> object | None:
    """Return the error of an event, in any of its known forms, or None."""
    error = event.get("error")
    if error:
        return error
    return event if kind == "error" else None


def implied_status(error: object) -> int | None:
    """Return 400 for an invalid request; None for other types, which upstreams use loosely."""
    return BAD_REQUEST if as_object(error).get("type") == "invalid_request_error" else None


def read_counts(usage: JsonObject) -> dict[str, int]:
    """Return the positive counts of one `usage` object."""
    if not usage:
        return {}
    counts = {key: count for key in COUNTS if key in usage and (count := _count(usage[key]))}
    if CACHE_WRITE not in counts and "cache_creation" in usage:
        written = as_object(usage["cache_creation"]).values()
        counts[CACHE_WRITE] = sum(map(_count, written))
    if details := as_object(usage.get("output_tokens_details")):
        thought = _count(details.get("thinking_tokens")) or _count(details.get("reasoning_tokens"))
        counts["thought"] = thought
    return counts


def read_bedrock_counts(metrics: JsonObject) -> dict[str, int]:
    """Return the counts of Bedrock's metrics, which may be the only ones."""
    return {key: _count(metrics.get(name)) for name, key in BEDROCK_COUNTS.items()}


def usage_from_counts(counts: Mapping[str, int]) -> Usage | None:
    """Return the usage as Responses counts it, with cached tokens as part of the input; None if it is all zero."""
    written, cached = counts.get(CACHE_WRITE, 0), counts.get(CACHE_READ, 0)
    tokens_in = counts.get("input_tokens", 0) + written + cached
    tokens_out = counts.get("output_tokens", 0)
    total = tokens_in + tokens_out
    if not total:
        return None
    return Usage(tokens_in, cached, tokens_out, counts.get("thought", 0), total, written)


def _count(value: object) -> int:
    """Return a positive integer, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
