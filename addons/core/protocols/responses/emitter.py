"""The only writer of `response.*` events of a translated answer, and the response object that its opening events announce.

Sources: OpenAI API reference, "Responses: streaming events" and "The response object"; what Codex 0.169 and eight SDK
clients accept. Never reads a clock, makes an id or sees upstream bytes. Invariant: total; sequence numbers rise by one
from 0, each item is added, filled and done in order, and exactly one terminal event is written, as the last one. An
incomplete item is never done: the turn fails. Every field that clients require is present in the response object, with the
API's default if the request has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, cast

from addons.core.errors import Problem, failed_event
from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import (
    Citation,
    Event,
    Failed,
    Omitted,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    Stopped,
    StopReason,
    TextDelta,
    TextDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageSeen,
)
from addons.core.protocols.canonical.opaque_reasoning import REASONING_ID_PREFIX
from addons.core.protocols.responses.output_items import (
    CALL_SHAPES,
    REFUSAL,
    TEXT,
    Call,
    EventWriter,
    Message,
    Reasoning,
    is_answer,
)
from addons.core.protocols.responses.stop_mapping import (
    INCOMPLETE_CALL,
    STOP_MAPPINGS,
    TRUNCATED_CALL,
    UNKNOWN_CALL,
    Client,
    Failure,
    StopMapping,
)
from addons.core.usage import Usage

# The fields of its request that a response object repeats, with their defaults.
ECHO: dict[str, object] = {
    "background": False, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": None, "store": False,
    "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": None,
    "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip


class Emitter:
    """Writes one response. `response_id` also seeds the items' ids; `created_at` is in Unix seconds.

    `omitted` receives a description of each part of the answer that is not passed on. The strings of events must not
    contain lone surrogates.
    """

    __slots__ = (
        "_calls",
        "_client",
        "_done",
        "_omitted",
        "_opened",
        "_response",
        "_seed",
        "_segment",
        "_used_indexes",
        "_write",
        "terminal",
        "usage",
    )

    def __init__(
        self,
        response_id: str,
        created_at: int,
        model: str,
        echo: Mapping[str, object],
        client: Client,
        *,
        omitted: list[str] | None = None,
    ) -> None:
        self._client = client
        self._omitted = [] if omitted is None else omitted
        self._write = EventWriter()
        self._seed = response_id.removeprefix("resp_")
        self._segment: Message | Reasoning | None = None
        """The open message or reasoning item."""
        self._calls: dict[int, Call] = {}
        self._done: dict[int, JsonDict] = {}
        self._used_indexes = 0
        self._opened = False
        self.terminal = False
        """Whether the terminal event was written."""
        self.usage: Usage | None = None
        """The last usage that the upstream reported."""
        self._response = announced_response(response_id, created_at, model, echo)

    @property
    def response(self) -> JsonDict:
        """The current response object; after the terminal event, the answer to `stream: false`."""
        return self._response

    @property
    def done_items(self) -> Collection[JsonDict]:
        """The complete output items, in the order in which they were completed."""
        return self._done.values()

    def open(self) -> bytes:
        """Return the opening events. The first call of `open`, `emit` or `fail` writes them."""
        return self.emit(())

    def emit(self, events: Sequence[Event]) -> bytes:
        """Return the bytes of these events, as one buffer. Events after the end of the turn are ignored."""
        if not self._opened:
            self._open()
        if len(events) == 1 and not self.terminal:
            # nearly every read of a slow stream
            self._STEPS[type(events[0])](self, events[0])
            return self._write.take()
        for kind, alike in groupby(events, type):
            if kind is TextDelta:
                # most of what a read of a fast stream brings
                self._add_texts(
                    [event.text for event in cast("Iterator[TextDelta]", alike) if event.text]
                )
                continue
            for event in alike:
                if not self.terminal:
                    self._STEPS[kind](self, event)
        return self._write.take()

    def emit_texts(self, texts: Sequence[str]) -> bytes:
        """Return the bytes of text deltas, none of which is empty, as one buffer."""
        if not self._opened:
            self._open()
        self._add_texts(texts)
        return self._write.take()

    def fail(self, problem: Problem) -> bytes:
        """End the turn with `response.failed`, unless it has ended."""
        return self.emit((Failed(problem),))

    def _open(self) -> None:
        self._opened = True
        self._write.open(self._response)

    def _next_item(self, prefix: str) -> tuple[EventWriter, str, int]:
        index = self._used_indexes
        self._used_indexes += 1
        return self._write, f"{prefix}_{self._seed}_{index}", index

    def _message(self) -> Message:
        if not isinstance(self._segment, Message):
            self._end_segment()
            self._segment = Message(*self._next_item("msg"))
        return self._segment

    def _reasoning(self) -> Reasoning:
        if not isinstance(self._segment, Reasoning):
            self._end_segment()
            self._segment = Reasoning(*self._next_item(REASONING_ID_PREFIX))
        return self._segment

    def _end_segment(self, status: str = "completed", opaque: str | None = None) -> None:
        segment, self._segment = self._segment, None
        if isinstance(segment, Message):
            self._done[segment.output_index] = segment.close(status)
        elif segment:
            self._done[segment.output_index] = segment.close(opaque)

    def _on_text(self, event: TextDelta) -> None:
        if event.text:
            segment = self._segment
            message = segment if isinstance(segment, Message) else self._message()
            message.add(TEXT, event.text)

    def _add_texts(self, texts: Sequence[str]) -> None:
        if texts and not self.terminal:
            segment = self._segment
            message = segment if isinstance(segment, Message) else self._message()
            message.extend(texts)

    def _on_text_done(self, _event: TextDone) -> None:
        if isinstance(self._segment, Message):
            self._end_segment()

    def _on_refusal(self, event: RefusalDelta) -> None:
        if event.text:
            self._message().add(TEXT if self._client is Client.CODEX else REFUSAL, event.text)

    def _on_citation(self, event: Citation) -> None:
        if not (isinstance(self._segment, Message) and self._segment.cite(event)):
            self._omitted.append("a citation in the answer, without its text")

    def _on_omitted(self, event: Omitted) -> None:
        self._omitted.append(event.what)
        if event.note:
            # A separate message, so that the model's text stays unchanged.
            self._end_segment()
            self._message().add(TEXT, event.note)
            self._end_segment()

    def _on_reasoning(self, event: ReasoningDelta) -> None:
        if event.text:
            self._reasoning().add(event.text)

    def _on_reasoning_done(self, event: ReasoningDone) -> None:
        if event.opaque is not None:
            self._reasoning()
        if isinstance(self._segment, Reasoning):
            self._end_segment(opaque=event.opaque)

    def _on_call(self, event: ToolCallStart) -> None:
        if event.index in self._calls:
            self._fail_turn(INCOMPLETE_CALL, self._calls[event.index].name)
            return
        self._end_segment()
        prefix = CALL_SHAPES[event.kind].id_prefix
        self._calls[event.index] = Call(*self._next_item(prefix), event)

    def _on_call_delta(self, event: ToolCallDelta) -> None:
        if not event.arguments:
            return
        if call := self._calls.get(event.index):
            call.add(event.arguments)
        else:
            self._fail_turn(UNKNOWN_CALL)

    def _on_call_end(self, event: ToolCallEnd) -> None:
        call = self._calls.get(event.index)
        # A call with incomplete arguments stays open: the stop reason decides which failure is reported.
        if call and (item := call.close(malformed=event.malformed)):
            self._done[call.output_index] = item
            del self._calls[event.index]

    def _on_usage(self, event: UsageSeen) -> None:
        self.usage = event.usage

    def _on_stopped(self, event: Stopped) -> None:
        mapping = STOP_MAPPINGS[self._client, event.reason]
        if self._calls:
            call = next(iter(self._calls.values()))
            truncated = event.reason is StopReason.LENGTH
            self._fail_turn(TRUNCATED_CALL if truncated else INCOMPLETE_CALL, call.name)
        elif mapping.without_answer and not self._answered:
            self._fail_turn(mapping.without_answer)
        else:
            self._end(mapping)

    def _end(self, mapping: StopMapping) -> None:
        self._end_segment(mapping.status)
        details = {"reason": mapping.reason} if mapping.reason else None
        self._set_final(mapping.status, "incomplete_details", details)
        self._write.event(f"response.{mapping.status}", {"response": self._response})

    def _fail_turn(self, failure: Failure, tool: str = "") -> None:
        message = f"{self._response['model']} {failure.text.format(tool=tool)}"
        self._on_failed(Failed(Problem(502, failure.code, message)))

    def _on_failed(self, event: Failed) -> None:
        problem = event.problem
        self._set_final("failed", "error", {"code": problem.code, "message": problem.message})
        self._write.numbered(
            failed_event(problem, response=self._response, sequence_number=self._write.number)
        )

    @property
    def _answered(self) -> bool:
        is_open = isinstance(self._segment, Message) and not self._segment.is_blank
        return is_open or any(is_answer(item) for item in self._done.values())

    def _set_final(self, status: str, key: str, value: object) -> None:
        output = [self._done[index] for index in sorted(self._done)]
        usage = self.usage.to_response() if self.usage else None
        self._response |= {"status": status, "output": output, "usage": usage, key: value}
        self.terminal = True

    # One row per event of the canonical vocabulary; a test compares the two.
    _STEPS: ClassVar[dict[type, Callable[[Emitter, Any], None]]] = {
        TextDelta: _on_text,
        TextDone: _on_text_done,
        RefusalDelta: _on_refusal,
        Citation: _on_citation,
        Omitted: _on_omitted,
        ReasoningDelta: _on_reasoning,
        ReasoningDone: _on_reasoning_done,
        ToolCallStart: _on_call,
        ToolCallDelta: _on_call_delta,
        ToolCallEnd: _on_call_end,
        UsageSeen: _on_usage,
        Stopped: _on_stopped,
        Failed: _on_failed,
    }


def announced_response(
    response_id: str, created_at: int, model: str, request: Mapping[str, object]
) -> JsonDict:
    """Return the response object of an answer that begins. It repeats fields of the body of its request."""
    response: JsonDict = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        **ECHO,
        "usage": None,
    }
    for key, value in request.items():
        if value is not None and key in ECHO:
            default = ECHO[key]
            if isinstance(default, dict) and isinstance(value, dict):
                response[key] = {**default, **value}
            else:
                response[key] = value
    return response
