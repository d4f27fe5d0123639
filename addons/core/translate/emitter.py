"""The only writer of `response.*` events: canonical events in, the whole sequence of the OpenAI API out.

Source: OpenAI API reference, "Responses: streaming events"; what Codex 0.169 and eight SDK clients accept. Never
reads a clock, makes an id or sees an upstream's bytes. Invariant: sequence numbers rise by one from 0, each item is
added, filled and done in order, and exactly one terminal event comes, after which nothing does. Half an item is
never done: what is cut fails, typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from addons.core.errors import Problem, failed_event
from addons.core.translate.endings import (
    HALF_CALL,
    LONG_CALL,
    OUTCOMES,
    STRAY_CALL,
    Client,
    Outcome,
)
from addons.core.translate.events import (
    Citation,
    Event,
    Failed,
    LeftOut,
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
from addons.core.translate.items import (
    CALL_SHAPES,
    REFUSAL,
    TEXT,
    Call,
    EventWriter,
    Json,
    Message,
    Reasoning,
)
from addons.core.translate.replay import REASONING_ID
from addons.core.usage import Usage

# What a response object repeats of its request, and what it says when the request was silent.
ECHO: dict[str, object] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


def echo_of(request: Mapping[str, object]) -> Json:
    """Take from a request body what its response object repeats. An object keeps the defaults that it lacks."""
    echo: Json = {}
    for key, default in ECHO.items():
        value = request.get(key)
        if isinstance(default, dict) and isinstance(value, dict):
            echo[key] = {**default, **value}
        else:
            echo[key] = default if value is None else value
    return echo


class Emitter:
    """Writes one response. `response_id` also seeds the items' ids; `created_at` is in Unix seconds.

    What of the answer the client is not given is noted in `left_out`.

    Strings of events hold no lone surrogates: JSON that orjson read has none.
    """

    __slots__ = (
        "_calls",
        "_client",
        "_done",
        "_left_out",
        "_opened",
        "_response",
        "_seed",
        "_segment",
        "_taken",
        "_write",
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
        left_out: list[str] | None = None,
    ) -> None:
        self._client = client
        self._left_out = [] if left_out is None else left_out
        self._write = EventWriter()
        self._seed = response_id.removeprefix("resp_")
        self._segment: Message | Reasoning | None = None
        self._calls: dict[int, Call] = {}
        self._done: dict[int, Json] = {}
        self._taken = 0
        self._opened = False
        self.usage: Usage | None = None
        """What the turn has used, as far as the upstream said."""
        self._response: Json = {
            "id": response_id,
            "object": "response",
            "created_at": created_at,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model,
            "output": [],
            **echo_of(echo),
            "usage": None,
        }

    @property
    def terminal(self) -> bool:
        """Whether the terminal event was written."""
        return self._response["status"] != "in_progress"

    @property
    def response(self) -> Json:
        """The response object as it now is: after the terminal event, the answer to `stream: false`."""
        return self._response

    def open(self) -> bytes:
        """Announce the response. Later calls give nothing; `emit` and `fail` do it when it was forgotten."""
        self._announce()
        return self._write.take()

    def emit(self, events: Iterable[Event]) -> bytes:
        """Write what these events mean, as one buffer. What follows the end of the turn means nothing."""
        self._announce()
        for event in events:
            if self.terminal:
                break
            self._STEPS[type(event)](self, event)
        return self._write.take()

    def fail(self, problem: Problem) -> bytes:
        """End the turn with `response.failed`; nothing when it has ended."""
        return self.emit((Failed(problem),))

    def _announce(self) -> None:
        if self._opened:
            return
        self._opened = True
        for name in ("response.created", "response.in_progress"):
            self._write.event(name, {"response": self._response})

    def _place(self, prefix: str) -> tuple[EventWriter, str, int]:
        index = self._taken
        self._taken += 1
        return self._write, f"{prefix}_{self._seed}_{index}", index

    def _message(self) -> Message:
        if not isinstance(self._segment, Message):
            self._end_segment()
            self._segment = Message(*self._place("msg"))
        return self._segment

    def _reasoning(self) -> Reasoning:
        if not isinstance(self._segment, Reasoning):
            self._end_segment()
            self._segment = Reasoning(*self._place(REASONING_ID))
        return self._segment

    def _end_segment(self, status: str = "completed", opaque: str | None = None) -> None:
        segment, self._segment = self._segment, None
        if isinstance(segment, Message):
            self._done[segment.output_index] = segment.close(status)
        elif segment:
            self._done[segment.output_index] = segment.close(opaque)

    def _on_text(self, event: TextDelta) -> None:
        if event.text:
            self._message().add(TEXT, event.text)

    def _on_text_done(self, _event: TextDone) -> None:
        if isinstance(self._segment, Message):
            self._end_segment()

    def _on_refusal(self, event: RefusalDelta) -> None:
        if event.text:
            shape = TEXT if self._client is Client.CODEX else REFUSAL
            self._message().add(shape, event.text)

    def _on_citation(self, event: Citation) -> None:
        if not (isinstance(self._segment, Message) and self._segment.cite(event)):
            self._left_out.append("a citation in the answer, without its text")

    def _on_left_out(self, event: LeftOut) -> None:
        self._left_out.append(event.what)
        if event.note:
            # a message of its own, so that the model's words stay what they are
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
            self._refuse(HALF_CALL, self._calls[event.index].name)
            return
        self._end_segment()
        prefix = CALL_SHAPES[event.kind].id_prefix
        self._calls[event.index] = Call(*self._place(prefix), event)

    def _on_call_delta(self, event: ToolCallDelta) -> None:
        if not event.arguments:
            return
        if call := self._calls.get(event.index):
            call.add(event.arguments)
        else:
            self._refuse(STRAY_CALL)

    def _on_call_end(self, event: ToolCallEnd) -> None:
        call = self._calls.get(event.index)
        # Arguments that are not whole leave the call open: why the turn stopped decides what the user is told.
        if call and (item := call.close()):
            self._done[call.output_index] = item
            del self._calls[event.index]

    def _on_usage(self, event: UsageSeen) -> None:
        self.usage = event.usage

    def _on_stopped(self, event: Stopped) -> None:
        outcome = OUTCOMES[self._client, event.reason]
        if self._calls:
            call = next(iter(self._calls.values()))
            self._refuse(LONG_CALL if event.reason is StopReason.LENGTH else HALF_CALL, call.name)
        elif outcome.refused and not self._answered:
            self._refuse(outcome.refused)
        else:
            self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self._end_segment(outcome.status)
        details = {"reason": outcome.reason} if outcome.reason else None
        self._settle(outcome.status, "incomplete_details", details)
        self._write.event(f"response.{outcome.status}", {"response": self._response})

    def _refuse(self, told: tuple[str, str], tool: str = "") -> None:
        code, text = told
        message = f"{self._response['model']} {text.format(tool=tool)}"
        self._on_failed(Failed(Problem(502, code, message)))

    def _on_failed(self, event: Failed) -> None:
        problem = event.problem
        self._settle("failed", "error", {"code": problem.code, "message": problem.message})
        self._write.whole(
            failed_event(problem, response=self._response, sequence_number=self._write.number)
        )

    @property
    def _answered(self) -> bool:
        said = any(item["type"] != "reasoning" for item in self._done.values())
        return said or isinstance(self._segment, Message)

    def _settle(self, status: str, key: str, value: object) -> None:
        output = [self._done[index] for index in sorted(self._done)]
        usage = self.usage.wire() if self.usage else None
        self._response |= {"status": status, "output": output, "usage": usage, key: value}

    # One row per event of the vocabulary: a test holds the two against each other.
    _STEPS: ClassVar[dict[type, Callable[[Emitter, Any], None]]] = {
        TextDelta: _on_text,
        TextDone: _on_text_done,
        RefusalDelta: _on_refusal,
        Citation: _on_citation,
        LeftOut: _on_left_out,
        ReasoningDelta: _on_reasoning,
        ReasoningDone: _on_reasoning_done,
        ToolCallStart: _on_call,
        ToolCallDelta: _on_call_delta,
        ToolCallEnd: _on_call_end,
        UsageSeen: _on_usage,
        Stopped: _on_stopped,
        Failed: _on_failed,
    }
