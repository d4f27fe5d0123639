"""The items of an answer as `response.*` events: message, reasoning, tool call.

Source: OpenAI API reference, "Responses: streaming events". The emitter alone uses this. Never decides when an item
begins or ends. Invariant: an item writes `output_item.done` in `close` and nowhere else, and what is done there is
what its deltas said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from addons.core.errors import sse_event
from addons.core.translate.events import CallKind, Citation, ToolCallStart

Json = dict[str, object]


class DeltaForm(NamedTuple):
    """The constant bytes of an item's delta events, around the sequence number and the text."""

    before_number: bytes
    before_text: bytes
    after_text: bytes

    @classmethod
    def of(cls, name: str, place: Mapping[str, object], after: bytes = b"") -> DeltaForm:
        """Build the form of the event `name`; `place` says where the delta belongs."""
        head = b'event: %b\ndata: {"type":"%b","sequence_number":' % (name.encode(), name.encode())
        return cls(head, b',%b,"delta":' % orjson.dumps(place)[1:-1], after + b"}\n\n")


class EventWriter:
    """Numbers events and collects their bytes until they are taken."""

    __slots__ = ("_out", "number")

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self.number = 0
        """The sequence number of the next event."""

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """Write one event."""
        self.whole(sse_event(name, {"type": name, "sequence_number": self.number, **fields}))

    def delta(self, form: DeltaForm, text: str) -> None:
        """Write one delta event."""
        before_number, before_text, after_text = form
        self.whole(
            b"%b%d%b%b%b"
            % (before_number, self.number, before_text, orjson.dumps(text), after_text)
        )

    def whole(self, event: bytes) -> None:
        """Write an event that already carries `number`."""
        self._out.append(event)
        self.number += 1

    def take(self) -> bytes:
        """Give what was written since the last call, as one buffer."""
        taken = b"".join(self._out)
        self._out.clear()
        return taken


class Item:
    """What the three kinds share: a place in the output, and how it is announced and done."""

    __slots__ = ("_id", "_texts", "_write", "output_index")

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        self._write = write
        self._id = item_id
        self._texts: list[str] = []
        self.output_index = output_index

    def _announce(self, item: Json) -> None:
        self._say("response.output_item.added", {"item": item}, {"output_index": self.output_index})

    def _done(self, item: Json) -> Json:
        self._say("response.output_item.done", {"item": item}, {"output_index": self.output_index})
        return item

    @property
    def _place(self) -> Json:
        return {"item_id": self._id, "output_index": self.output_index}

    def _say(self, name: str, fields: Mapping[str, object], place: Json) -> None:
        self._write.event(name, {**place, **fields})

    def _text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        return text


@dataclass(frozen=True, slots=True)
class PartShape:
    """One kind of content part: its type, the field that holds the text, what else its objects carry."""

    type: str
    key: str
    part_rest: Mapping[str, object] = field(default_factory=dict)
    event_rest: Mapping[str, object] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name of its events without `.delta` and `.done`."""
        return f"response.{self.type}"

    def part(self, text: str) -> Json:
        """The part object."""
        return {"type": self.type, self.key: text, **self.part_rest}

    def form(self, place: Mapping[str, object]) -> DeltaForm:
        """The form of its delta events."""
        rest = orjson.dumps(dict(self.event_rest))[1:-1]
        return DeltaForm.of(f"{self.stem}.delta", place, b"," + rest if rest else b"")


TEXT = PartShape("output_text", "text", {"annotations": [], "logprobs": []}, {"logprobs": []})
REFUSAL = PartShape("refusal", "refusal")


class Message(Item):
    """The assistant's message: text parts and refusal parts, one open at a time."""

    __slots__ = ("_annotations", "_form", "_parts", "_shape")

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        super().__init__(write, item_id, output_index)
        self._annotations: list[Json] = []
        self._parts: list[Json] = []
        self._shape: PartShape | None = None
        self._announce(self._item("in_progress"))

    def add(self, shape: PartShape, text: str) -> None:
        """Say more in a part of this shape."""
        if self._shape is not shape:
            self._open_part(shape)
        self._texts.append(text)
        self._write.delta(self._form, text)

    def cite(self, citation: Citation) -> bool:
        """Put a citation beside the open text; False, and nothing written, where no text is open."""
        if self._shape is not TEXT:
            return False
        whole = sum(len(text) for text in self._texts)
        annotation: Json = {
            "type": "url_citation",
            "url": citation.url,
            "title": citation.title,
            # clients want both: a page without a place is one for all of the text
            "start_index": citation.start or 0,
            "end_index": whole if citation.end is None else citation.end,
        }
        fields = {"annotation_index": len(self._annotations), "annotation": annotation}
        self._say(f"{TEXT.stem}.annotation.added", fields, self._part_place)
        self._annotations.append(annotation)
        return True

    def close(self, status: str) -> Json:
        """End the message as `completed` or `incomplete`; give the item."""
        self._close_part()
        return self._done(self._item(status))

    def _open_part(self, shape: PartShape) -> None:
        self._close_part()
        self._shape = shape
        self._form = shape.form(self._part_place)
        self._say("response.content_part.added", {"part": shape.part("")}, self._part_place)

    def _close_part(self) -> None:
        if not self._shape:
            return
        shape, text, place = self._shape, self._text(), self._part_place
        part = shape.part(text)
        if self._annotations:
            part["annotations"], self._annotations = self._annotations, []
        self._say(f"{shape.stem}.done", {shape.key: text, **shape.event_rest}, place)
        self._say("response.content_part.done", {"part": part}, place)
        self._parts.append(part)
        self._shape = None

    @property
    def _part_place(self) -> Json:
        return {**self._place, "content_index": len(self._parts)}

    def _item(self, status: str) -> Json:
        return {
            "id": self._id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": self._parts,
        }


class Reasoning(Item):
    """A block of reasoning: at most one summary part, and what the upstream wants back."""

    __slots__ = ("_form",)

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        super().__init__(write, item_id, output_index)
        self._form = DeltaForm.of("response.reasoning_summary_text.delta", self._part_place)
        self._announce(self._item([], None))

    def add(self, text: str) -> None:
        """Show more of the thinking."""
        if not self._texts:
            part = {"part": self._part("")}
            self._say("response.reasoning_summary_part.added", part, self._part_place)
        self._texts.append(text)
        self._write.delta(self._form, text)

    def close(self, opaque: str | None) -> Json:
        """End the block; give the item."""
        summary = [self._close_part()] if self._texts else []
        return self._done(self._item(summary, opaque))

    def _close_part(self) -> Json:
        text = self._text()
        part = self._part(text)
        self._say("response.reasoning_summary_text.done", {"text": text}, self._part_place)
        self._say("response.reasoning_summary_part.done", {"part": part}, self._part_place)
        return part

    @property
    def _part_place(self) -> Json:
        return {**self._place, "summary_index": 0}

    @staticmethod
    def _part(text: str) -> Json:
        return {"type": "summary_text", "text": text}

    def _item(self, summary: list[Json], opaque: str | None) -> Json:
        return {
            "id": self._id,
            "type": "reasoning",
            "summary": summary,
            "encrypted_content": opaque,
        }


@dataclass(frozen=True, slots=True)
class CallShape:
    """How a kind of call is written. Without a `stem` the API streams no arguments of it."""

    type: str
    id_prefix: str
    key: str
    stem: str = ""


CALL_SHAPES = {
    CallKind.FUNCTION: CallShape(
        "function_call", "fc", "arguments", "response.function_call_arguments"
    ),
    CallKind.CUSTOM: CallShape(
        "custom_tool_call", "ctc", "input", "response.custom_tool_call_input"
    ),
    CallKind.LOCAL_SHELL: CallShape("local_shell_call", "lsh", "action"),
}


class Call(Item):
    """One tool call, from its start to its end."""

    __slots__ = ("_form", "_shape", "_start")

    def __init__(
        self, write: EventWriter, item_id: str, output_index: int, start: ToolCallStart
    ) -> None:
        super().__init__(write, item_id, output_index)
        self._start = start
        self._shape = CALL_SHAPES[start.kind]
        if self._shape.stem:
            self._form = DeltaForm.of(f"{self._shape.stem}.delta", self._place)
        self._announce(self._item("in_progress", "" if self._shape.stem else {}))

    @property
    def name(self) -> str:
        """The tool that is called."""
        return self._start.name

    def add(self, arguments: str) -> None:
        """Take more of the arguments."""
        self._texts.append(arguments)
        if self._shape.stem:
            self._write.delta(self._form, arguments)

    def close(self) -> Json | None:
        """End the call and give the item; None, and nothing written, when its arguments are not whole."""
        kind = self._start.kind
        if kind is CallKind.FUNCTION and not self._texts:
            # A call without arguments: several upstreams send none, clients parse an object.
            self.add("{}")
        arguments = "".join(self._texts)
        if kind is CallKind.CUSTOM:
            return self._close(arguments, arguments)
        try:
            value = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return None
        return self._close(arguments, arguments if self._shape.stem else value)

    def _close(self, arguments: str, value: object) -> Json:
        if self._shape.stem:
            name = {"name": self.name} if self._start.kind is CallKind.FUNCTION else {}
            fields = {**name, self._shape.key: arguments}
            self._say(f"{self._shape.stem}.done", fields, self._place)
        return self._done(self._item("completed", value))

    def _item(self, status: str, value: object) -> Json:
        named = {} if self._start.kind is CallKind.LOCAL_SHELL else {"name": self.name}
        spaced = {"namespace": self._start.namespace} if self._start.namespace else {}
        return {
            "id": self._id,
            "type": self._shape.type,
            "status": status,
            "call_id": self._start.call_id,
            **named,
            **spaced,
            self._shape.key: value,
        }
