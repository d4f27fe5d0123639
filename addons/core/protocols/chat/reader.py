"""Reads the answer of a chat completions upstream: its bytes → canonical events.

Source: OpenAI API reference, "Chat Completions: streaming"; the deviations of other upstreams are rows of
`tests/quirks`. Never looks at a provider's name, never writes `response.*` events. Invariant: total; any bytes, split
into any reads, give the same events, and an answer without a stop reason fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.limits import Limits
from addons.core.protocols.answer_reader import AnswerReader, excerpt
from addons.core.protocols.canonical.answer_text import AnswerText, Part
from addons.core.protocols.canonical.conversation import Conversation
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Failed,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    stop_reason_of,
)
from addons.core.protocols.canonical.leaked_calls import LeakedCall
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.chat.chunk_fields import (
    MAX_DEPTH,
    ExtraFields,
    call_fragments,
    chunks_of_document,
    find_error,
    find_usage,
    first_choice,
    holds_usage,
    may_continue,
)
from addons.core.protocols.chat.reasoning_details import merged_details, visible_details
from addons.core.protocols.chat.tool_calls import ToolCalls
from addons.core.protocols.sse import BOM, SseEvent, is_cut
from addons.core.upstream.error_body import states_error
from addons.core.upstream.error_mapping import upstream_problem
from addons.core.upstream.target import Target
from addons.core.usage import Usage

DONE = b"[DONE]"
ERROR_FIELD = b"error:"
"""Starts the line in which llama.cpp of 2025 reports an error; it is not a field of an event stream."""
FINISH_REASONS = {
    "stop": StopReason.END,
    "tool_calls": StopReason.TOOL_CALLS,
    "tool_call": StopReason.TOOL_CALLS,
    "tool_use": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "length": StopReason.LENGTH,
    "content_filter": StopReason.CONTENT_FILTER,
    "refusal": StopReason.REFUSAL,
}
"""`stop_reason_of` knows the others."""
PLAIN_FIELDS = frozenset({"content", "role"})
"""The fields of a delta that holds nothing but text."""
DETAILS = "reasoning_details"
REQUIRED_FIELD = "reasoning_content"
"""A profile names this field where the upstream refuses a call without it."""
NATURAL_STOPS = frozenset({None, StopReason.END, StopReason.TOOL_CALLS})
TRUNCATED = frozenset({StopReason.LENGTH, StopReason.CONTENT_FILTER, StopReason.REFUSAL})
"""Stop reasons after which the open tool call is incomplete."""


class ChatReader(AnswerReader):
    """Reads one answer, streamed or sent as one JSON document."""

    __slots__ = (
        "_answered",
        "_calls",
        "_conversation",
        "_details",
        "_ends_with_text",
        "_extra_fields",
        "_is_done",
        "_reasoning_field",
        "_text",
        "_thought",
        "_usage",
    )

    def __init__(
        self,
        conversation: Conversation,
        target: Target,
        max_event_bytes: int = Limits().event_bytes,
    ) -> None:
        super().__init__(target, max_event_bytes)
        self._conversation = conversation
        self._calls: ToolCalls | None = None
        """None while the answer calls no tool."""
        self._extra_fields: ExtraFields | None = None
        """None while the answer has nothing but text and usage."""
        self._text = AnswerText(conversation)
        self._usage: Usage | None = None
        self._is_done = False
        """Whether the upstream marked the end of its stream; only usage is read after it."""
        self._reasoning_field = ""
        """The field in which this upstream sends its reasoning."""
        self._thought: list[str] = []
        self._details: list[object] = []
        self._answered = self._ends_with_text = False

    def _detect_format(self, head: bytes) -> bytes:
        first = head.removeprefix(BOM).lstrip()
        if first and len(first) < len(ERROR_FIELD) and ERROR_FIELD.startswith(first):
            self._head = head
            return b""
        if first.startswith(ERROR_FIELD):
            self._head = None
            return b"data:" + first.removeprefix(ERROR_FIELD)
        return super()._detect_format(head)

    def _read_stream(self, data: bytes) -> list[Event]:
        blocks = self._sse.feed(data)
        # The SSE reader dropped the event: the events after it must not pass for the complete answer.
        return self._too_large() if self._sse.too_large else self._read_blocks(blocks)

    @property
    def _is_plain(self) -> bool:
        return self._text.plain

    def _passes(self, kind: type[TextDelta | ReasoningDelta], text: str) -> bool:
        if kind is TextDelta:
            return self._text.passes(text)
        self._thought.append(text)
        return True

    @staticmethod
    def _template_text(value: Any) -> object:
        # The fields that nearly all upstreams use.
        delta = value["choices"][0]["delta"]
        return delta.get("content") or delta.get("reasoning_content") or delta.get("reasoning")

    def _read_event(self, event: SseEvent) -> list[Event]:
        data = event.data.strip()
        if not data:
            return []
        if data == DONE:
            self._is_done = True
            # Some upstreams send the usage behind the end; the engine waits for it for a short time.
            return [] if self.awaits_end and self._usage is None else list(self._stop())
        if self._is_done:
            return self._read_late_usage(data)
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            chunk = self._loads_split(data)
            if chunk is None:
                if self.awaits_end and data.startswith(b"{") and not self._may_continue(data):
                    # The answer is complete: only the end of its last event is missing.
                    return list(self._stop())
                return list(self._failed(f"sent an event that is not JSON: {excerpt(data)}"))
        return self._read_chunk(chunk, event.name) if isinstance(chunk, dict) else []

    def finish(self) -> list[Event]:
        """Return the last events. A body that ended inside more of the answer has no end."""
        cut = filter(is_cut, self._sse.finish())
        self._late = self._late or any(map(self._may_continue, cut))
        return super().finish()

    def _may_continue(self, cut: bytes) -> bool:
        # A reason that came with text may come with each text.
        return may_continue(cut) or (self._ends_with_text and not holds_usage(cut))

    def _read_late_usage(self, data: bytes) -> list[Event]:
        """Read a chunk behind the end of the stream, which may hold the usage."""
        try:
            chunk = as_object(orjson.loads(data))
        except orjson.JSONDecodeError:
            return []
        self._usage = find_usage(chunk, first_choice(chunk.get("choices")))
        return list(self._stop()) if self._usage else []

    def _read_document(self, body: bytes) -> Iterator[Event]:
        try:
            # Some gateways append the end of a stream.
            answer = orjson.loads(body.rstrip().removesuffix(b"data: [DONE]"))
        except orjson.JSONDecodeError:
            yield from self._not_json(body)
            return
        for chunk in answer if isinstance(answer, list) else [answer]:
            for part in chunks_of_document(as_object(chunk)):
                yield from self._read_chunk(part, "")
        yield from self._stop()

    def _read_chunk(self, chunk: JsonObject, name: str) -> list[Event]:
        choice = first_choice(chunk.get("choices"))
        self._usage = find_usage(chunk, choice) or self._usage
        if (error := find_error(chunk, name) or choice.get("error")) is not None:
            return [Failed(upstream_problem(self._target, None, error))]
        if not (choice or self._other or self._answered) and states_error(chunk):
            self._other = chunk
        delta = self._delta_of(choice)
        events = list(self._read_delta(delta))
        if self._reason is not None and not self._late:
            continues = any(not isinstance(event, Citation) for event in events)
            self._late = continues or any(map(_extends_call, call_fragments(delta)))
        if finish := choice.get("finish_reason"):
            self._ends_with_text = bool(events)
            events += self._read_finish_reason(finish)
        if self._calls and self._calls.too_many:
            events += self._failed("sent more or longer tool calls than codex-shim accepts")
        return events

    def _delta_of(self, choice: JsonObject) -> JsonObject:
        if (delta := as_object(choice.get("delta"))) or self._answered:
            # MiniMax repeats the whole message at the end.
            return delta
        return as_object(choice.get("message"))

    def _read_delta(self, delta: JsonObject) -> Iterable[Event]:
        content = delta.get("content") or ""
        if PLAIN_FIELDS.issuperset(delta) and isinstance(content, str):
            # nearly every delta
            return self._add_text(content) if content else ()
        return self._read_fields(delta)

    def _add_text(self, text: str) -> Iterator[Event]:
        self._answered = True
        return self._add_parts(self._text.feed(text))

    def _read_fields(self, delta: JsonObject) -> Iterator[Event]:
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            self._details += details
        wanted = self._target.profile.replay_field
        self._reasoning_field = self._reasoning_field or reasoning_field(delta, wanted)
        yield from self._add_reasoning(reasoning_text(delta))
        for kind, text in content_parts(delta.get("content")):
            if kind == "reasoning":
                yield from self._add_reasoning(text)
            elif kind == "refusal" and text:
                yield from self._end_text()
                yield RefusalDelta(text)
            elif text:
                yield from self._add_text(text)
        if refusal := content_text(delta.get("refusal")):
            yield from self._end_text()
            yield RefusalDelta(refusal)
        self._extra_fields = self._extra_fields or ExtraFields()
        for event in self._extra_fields.feed(delta):
            yield from self._end_text()
            yield event
        for call in call_fragments(delta):
            yield from self._end_text()
            yield from self._tool_calls().feed(call)

    def _tool_calls(self) -> ToolCalls:
        if self._calls is None:
            self._calls = ToolCalls(self._conversation, self._target.reasoning_scope)
        return self._calls

    def _add_parts(self, parts: Iterable[Part]) -> Iterator[Event]:
        for part in parts:
            if isinstance(part, ReasoningDelta):
                yield from self._add_reasoning(part.text)
                continue
            if self._thought or self._details:
                yield from self._end_reasoning()
            self._answered = True
            if isinstance(part, LeakedCall):
                yield from self._tool_calls().add_leaked(part)
            else:
                yield part

    def _end_text(self) -> Iterator[Event]:
        """Pass on the text that is held back, and end the reasoning, before any other content."""
        if not self._text.plain:
            yield from self._add_parts(self._text.finish())
        yield from self._end_reasoning()

    def _add_reasoning(self, text: str) -> Iterator[Event]:
        if text:
            self._answered = True
            self._text.note_reasoning()
            self._thought.append(text)
            yield ReasoningDelta(text)

    def _end_reasoning(self) -> Iterator[Event]:
        """End the block of reasoning, before any other content, with what the upstream expects back."""
        self._answered = True
        if not (self._thought or self._details):
            return
        thought, details = "".join(self._thought), merged_details(self._details)
        self._thought, self._details = [], []
        field = self._replay_field(details)
        kept = details if field == DETAILS else thought
        if field and kept:
            data: JsonObject = {"reasoning": kept}
            if field != self._target.profile.replay_field:
                # What the upstream sent may be wanted back, in the same field.
                data = {**data, "field": field}
            yield ReasoningDone(wrap(self._target.reasoning_scope, data))

    def _replay_field(self, details: list[object]) -> str:
        """Return the field that the upstream used, except where another one is known to be required."""
        wanted, sent = self._target.profile.replay_field, self._reasoning_field
        if wanted and wanted in {sent, REQUIRED_FIELD}:
            return wanted
        return (DETAILS if details else "") or sent or wanted

    def _read_finish_reason(self, value: object) -> Iterator[Event]:
        reason = as_str(value).lower()
        if reason in {"", "null"}:
            return
        stop = FINISH_REASONS.get(reason) or stop_reason_of(reason)
        if stop is None:
            error = {"error": {"message": f"finish_reason: {reason}", "code": reason}}
            yield Failed(upstream_problem(self._target, 503, error))
            return
        self._late = False
        if self._reason in NATURAL_STOPS:
            # A later reason does not replace a length or filter stop.
            self._reason = stop

    def _stop(self) -> Iterator[Event]:
        if self._reason is None:
            yield from self._interrupted() if self._answered else self._unanswered()
            return
        truncated = self._reason in TRUNCATED
        yield from self._add_parts(self._text.finish(takes_calls=not truncated))
        yield from self._end_reasoning()
        if self._extra_fields:
            yield from self._extra_fields.finish()
        if self._calls and self._calls.nameless:
            yield from self._failed("sent a tool call without a name")
        if self._calls:
            yield from self._calls.finish(truncated=truncated)
        # Many upstreams send "stop" although they call tools.
        calls = bool(self._calls) and self._reason is StopReason.END
        yield Stopped(StopReason.TOOL_CALLS if calls else self._reason)

    def _final_usage(self) -> Usage | None:
        return self._usage


def _extends_call(call: JsonObject) -> bool:
    """Return whether a fragment adds to its call, even if no event is written for it yet."""
    function = as_object(call.get("function"))
    return any(as_str(function.get(key)) for key in ("name", "arguments"))


def content_parts(content: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Return (kind, text) of content: a string, a part, or a list of parts, which may be nested."""
    if isinstance(content, str):
        yield "text", content
    elif depth > MAX_DEPTH:
        return
    elif isinstance(content, list):
        for part in content:
            yield from content_parts(part, depth + 1)
    elif isinstance(content, dict):
        for key, kind in (("thinking", "reasoning"), ("refusal", "refusal"), ("text", "text")):
            if key in content:
                yield kind, content_text(content[key], depth + 1)


def content_text(content: object, depth: int = 0) -> str:
    """Return all text of content."""
    return "".join(text for _, text in content_parts(content, depth))


def reasoning_text(delta: JsonObject) -> str:
    """Return the reasoning of a delta from the first field that has any: upstreams repeat it in several."""
    for key in ("reasoning_content", "reasoning", "reasoning_text", "thinking"):
        if (content := delta.get(key)) and (text := content_text(content)):
            return text
    details = delta.get("reasoning_details")
    return visible_details(details) if isinstance(details, list) else ""


def reasoning_field(delta: JsonObject, wanted: str) -> str:
    """Return the field of a delta's reasoning that upstreams take back; empty if it has none. `wanted` is preferred."""
    fields = (wanted, "reasoning_content", "reasoning")
    return next((key for key in fields if key and key != DETAILS and delta.get(key)), "")
