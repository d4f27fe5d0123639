"""Reads an answer of the Responses API into an `Answer`: a stream as it arrives, or a whole body.

Source: OpenAI API reference, "Create a response" and its streaming events. Never does: run a call. Invariant: total; an
answer without its last event is `cut`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson

from addons.core.json_values import JsonObject, as_int, as_object, as_str
from addons.core.limits import MIB
from addons.core.protocols.sse import SseReader, parse_block
from addons.core.usage import Usage
from addons.core.what_if.answer import COMPLETED, CUT, FAILED, INCOMPLETE, Answer, Call, json_text

MAX_EVENT_BYTES = 16 * MIB
ANSWER_CUT = "answer_cut"
"""The code of an answer without its last event."""
OK = 200
_ENDS: Mapping[str, str] = {
    "response.completed": COMPLETED,
    "response.incomplete": INCOMPLETE,
    "response.failed": FAILED,
    "error": FAILED,
}


class StreamReading:
    """Reads one event stream."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self._reader = SseReader(MAX_EVENT_BYTES)
        self._parts: dict[int | None, list[str]] = {}
        """Output index → the deltas of its text, or its whole text."""
        self._has_ended = False

    def feed(self, data: bytes, seconds: float | None = None) -> None:
        """Read more of the stream, which arrived so many seconds after the request was sent."""
        for block in self._reader.feed(data):
            self._on_block(block, seconds)

    def finish(self) -> None:
        """Note the end of the stream."""
        for block in self._reader.finish():
            self._on_block(block, None)
        self.answer.text = self.text
        if not self._has_ended and not self.answer.code:
            message = "its answer ended before its last event"
            self.answer.fail(CUT, ANSWER_CUT, message)

    @property
    def text(self) -> str:
        """What was written so far."""
        return "\n\n".join(filter(None, ("".join(part) for part in self._parts.values())))

    def _on_block(self, block: bytes, seconds: float | None) -> None:
        event = parse_block(block)
        if event is None:
            return
        fields = loaded(event.data)
        kind = as_str(fields.get("type"))
        if kind in _ENDS:
            self._on_end(kind, fields)
        elif kind == "response.output_item.done":
            self._begin(seconds)
            self._on_item(as_int(fields.get("output_index")), as_object(fields.get("item")))
        elif kind.endswith(".delta"):
            self._begin(seconds)
            if kind in {"response.output_text.delta", "response.refusal.delta"}:
                part = self._parts.setdefault(as_int(fields.get("output_index")), [])
                part.append(as_str(fields.get("delta")))

    def _begin(self, seconds: float | None) -> None:
        if self.answer.first_seconds is None:
            self.answer.first_seconds = seconds

    def _on_item(self, index: int | None, item: JsonObject) -> None:
        if call := call_of(item):
            self.answer.calls.append(call)
        elif text := text_of(item):
            self._parts[index] = [text]

    def _on_end(self, kind: str, fields: JsonObject) -> None:
        self._has_ended = True
        read_end(self.answer, _ENDS[kind], as_object(fields.get("response")) or fields)


def read_whole(answer: Answer, status: int, body: bytes) -> None:
    """Read an answer that is no stream: a response, or an error."""
    response = loaded(body)
    if status != OK or response.get("object") != "response":
        read_error(answer, response, f"status {status}")
        return
    output = response.get("output")
    items = [as_object(item) for item in output] if isinstance(output, list) else []
    answer.calls += [call for item in items if (call := call_of(item))]
    answer.text = "\n\n".join(filter(None, map(text_of, items)))
    outcome = as_str(response.get("status"))
    read_end(answer, outcome if outcome in {COMPLETED, INCOMPLETE} else FAILED, response)


def read_end(answer: Answer, outcome: str, response: JsonObject) -> None:
    """Read how a response ended, and its usage."""
    answer.usage = Usage.of(response.get("usage")) or answer.usage
    answer.outcome = outcome
    if outcome == INCOMPLETE:
        reason = as_str(as_object(response.get("incomplete_details")).get("reason"))
        answer.fail(INCOMPLETE, INCOMPLETE, f"the answer is incomplete: {reason or 'no reason given'}")  # fmt: skip
    elif outcome == FAILED:
        read_error(answer, response, FAILED)


def read_error(answer: Answer, fields: JsonObject, fallback_code: str) -> None:
    """Read the error of a failed response, of an error event, or of a JSON answer."""
    error = as_object(fields.get("error")) or fields
    code = as_str(error.get("code")) or as_str(error.get("type")) or fallback_code
    message = as_str(error.get("message")) or f"no reason given ({fallback_code})"
    answer.fail(FAILED, code, message)


def call_of(item: JsonObject) -> Call | None:
    """Return the call that an output item is; None for any other item."""
    kind = as_str(item.get("type"))
    if not kind.endswith("_call"):
        return None
    name, namespace = as_str(item.get("name")) or kind, as_str(item.get("namespace"))
    arguments = as_str(item.get("arguments")) or as_str(item.get("input"))
    if not arguments and "action" in item:
        arguments = json_text(item["action"])
    return Call(f"{namespace}.{name}" if namespace else name, arguments)


def text_of(item: JsonObject) -> str:
    """Return the text of a message; empty for any other item."""
    return "".join(_texts(item)) if item.get("type") == "message" else ""


def _texts(item: JsonObject) -> Iterator[str]:
    content = item.get("content")
    for part in map(as_object, content if isinstance(content, list) else ()):
        yield as_str(part.get("text")) or as_str(part.get("refusal"))


def loaded(data: bytes) -> JsonObject:
    """Return a JSON object; an empty one for anything else."""
    try:
        return as_object(orjson.loads(data))
    except orjson.JSONDecodeError:
        return {}
