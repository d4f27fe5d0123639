"""Writes the output items of an answer as `response.*` events: message, reasoning, tool call.

Source: OpenAI API reference, "Responses: streaming events". Only the emitter uses this module. Never decides when an
item begins or ends. Invariant: only `close` writes `output_item.done`, and the item there equals its joined deltas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from addons.core.json_values import JsonDict
from addons.core.protocols.canonical.events import CallKind, Citation, ToolCallStart
from addons.core.protocols.canonical.text_markers import has_visible_text


class DeltaFrame(NamedTuple):
    """The constant bytes of an item's delta events, with places for the sequence number and the text."""

    form: bytes

    @classmethod
    def of(cls, name: str, position: Mapping[str, object], after: bytes = b"") -> DeltaFrame:
        """Build the frame of the event `name`. `position` holds the fields that identify the part."""
        kind = name.encode()
        head = b"event: " + kind + b'\ndata: {"type":"' + kind + b'","sequence_number":%d,'
        # The id of an item may hold a percent sign.
        place = orjson.dumps(position)[1:-1].replace(b"%", b"%%")
        return cls(head + place + b',"delta":%b' + after + b"}\n\n")


NOWHERE: Mapping[str, object] = {}
OPENING = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":%b}\n\n'
    b'event: response.in_progress\ndata: {"type":"response.in_progress","sequence_number":1,"response":%b}\n\n'
)


class EventWriter:
    """Numbers events and collects their bytes until they are taken."""

    __slots__ = ("_out", "number")

    def __init__(self) -> None:
        self._out: list[bytes] = []
        self.number = 0
        """The sequence number of the next event."""

    def event(
        self, name: str, fields: Mapping[str, object], position: Mapping[str, object] = NOWHERE
    ) -> None:
        """Write one event. `position` holds the fields that identify the part, which come first."""
        data = {"type": name, "sequence_number": self.number, **position, **fields}
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data)))
        self.number += 1

    def open(self, response: JsonDict) -> None:
        """Write the first two events, which hold the same response. It may repeat a hundred kilobytes of the request."""
        data = orjson.dumps(response)
        self._out.append(OPENING % (data, data))
        self.number = 2

    def delta(self, frame: DeltaFrame, text: str) -> None:
        """Write one delta event."""
        self._out.append(frame.form % (self.number, orjson.dumps(text)))
        self.number += 1

    def deltas(self, frame: DeltaFrame, texts: Sequence[str]) -> None:
        """Write one delta event for each text."""
        count = len(texts)
        if count == 1:
            # nearly every read of a slow stream
            self.delta(frame, texts[0])
            return
        fields: list[object] = [None] * (2 * count)
        fields[::2] = range(self.number, self.number + count)
        fields[1::2] = map(orjson.dumps, texts)
        self._out.append(frame.form * count % tuple(fields))
        self.number += count

    def numbered(self, event: bytes) -> None:
        """Write an event that already contains `number`."""
        self._out.append(event)
        self.number += 1

    def take(self) -> bytes:
        """Return the bytes that were written since the last call, as one buffer."""
        taken = b"".join(self._out)
        self._out.clear()
        return taken


class Item:
    """The common part of the three kinds of items: position, and the events that add and complete the item."""

    __slots__ = ("_id", "_texts", "_write", "output_index")

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        self._write = write
        self._id = item_id
        self._texts: list[str] = []
        self.output_index = output_index

    def _added(self, item: JsonDict) -> None:
        fields = {"output_index": self.output_index, "item": item}
        self._write.event("response.output_item.added", fields)

    def _done(self, item: JsonDict) -> JsonDict:
        fields = {"output_index": self.output_index, "item": item}
        self._write.event("response.output_item.done", fields)
        return item

    @property
    def _position(self) -> JsonDict:
        return {"item_id": self._id, "output_index": self.output_index}

    def _take_text(self) -> str:
        text = "".join(self._texts)
        self._texts.clear()
        return text


@dataclass(frozen=True, slots=True)
class PartShape:
    """One kind of content part."""

    type: str
    key: str
    """The field that holds the text."""
    part_fields: Mapping[str, object] = field(default_factory=dict)
    event_fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The name of its events, without `.delta` and `.done`."""
        return f"response.{self.type}"

    def part(self, text: str) -> JsonDict:
        """Return the part object."""
        return {"type": self.type, self.key: text, **self.part_fields}

    def frame(self, position: Mapping[str, object]) -> DeltaFrame:
        """Return the frame of its delta events."""
        fields = orjson.dumps(dict(self.event_fields))[1:-1]
        return DeltaFrame.of(f"{self.stem}.delta", position, b"," + fields if fields else b"")


TEXT = PartShape("output_text", "text", {"annotations": [], "logprobs": []}, {"logprobs": []})
REFUSAL = PartShape("refusal", "refusal")


class Message(Item):
    """The assistant's message: text parts and refusal parts, one open at a time."""

    __slots__ = ("_annotations", "_frame", "_parts", "_place", "_shape")

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        super().__init__(write, item_id, output_index)
        self._annotations: list[JsonDict] = []
        self._parts: list[JsonDict] = []
        self._shape: PartShape | None = None
        self._added(self._item("in_progress"))

    def add(self, shape: PartShape, text: str) -> None:
        """Add text to the open part of this shape, or to a new one."""
        if self._shape is not shape:
            self._open_part(shape)
        self._texts.append(text)
        self._write.delta(self._frame, text)

    def extend(self, texts: Sequence[str]) -> None:
        """Add texts to the open text part, or to a new one, one event each."""
        if self._shape is not TEXT:
            self._open_part(TEXT)
        self._texts += texts
        self._write.deltas(self._frame, texts)

    def cite(self, citation: Citation) -> bool:
        """Annotate the open text; return False, and write nothing, if no text is open."""
        if self._shape is not TEXT:
            return False
        length = sum(len(text) for text in self._texts)
        annotation: JsonDict = {
            "type": "url_citation",
            "url": citation.url,
            "title": citation.title,
            # Clients require both offsets: a citation without them applies to all of the text.
            "start_index": citation.start or 0,
            "end_index": length if citation.end is None else citation.end,
        }
        fields = {"annotation_index": len(self._annotations), "annotation": annotation}
        self._write.event(f"{TEXT.stem}.annotation.added", fields, self._place)
        self._annotations.append(annotation)
        return True

    def close(self, status: str) -> JsonDict:
        """End the message as `completed` or `incomplete`; return the item."""
        self._close_part()
        return self._done(self._item(status))

    @property
    def is_blank(self) -> bool:
        """Whether it has no visible text so far."""
        return not self._parts and not any(map(has_visible_text, self._texts))

    def _open_part(self, shape: PartShape) -> None:
        self._close_part()
        self._shape = shape
        self._place = {**self._position, "content_index": len(self._parts)}
        self._frame = shape.frame(self._place)
        self._write.event("response.content_part.added", {"part": shape.part("")}, self._place)

    def _close_part(self) -> None:
        if not self._shape:
            return
        shape, text, place = self._shape, self._take_text(), self._place
        part = shape.part(text)
        if self._annotations:
            part["annotations"], self._annotations = self._annotations, []
        self._write.event(f"{shape.stem}.done", {shape.key: text, **shape.event_fields}, place)
        self._write.event("response.content_part.done", {"part": part}, place)
        self._parts.append(part)
        self._shape = None

    def _item(self, status: str) -> JsonDict:
        return {
            "id": self._id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": self._parts,
        }


def is_answer(item: JsonDict) -> bool:
    """Return whether an item answers: a call, or a message with visible text."""
    if item["type"] != "message":
        return item["type"] != "reasoning"
    parts = item["content"]
    texts = (
        (part.get("text", part.get("refusal")) for part in parts) if isinstance(parts, list) else ()
    )
    return any(map(has_visible_text, texts))


class Reasoning(Item):
    """A block of reasoning: at most one summary part, and the data that the upstream expects back."""

    __slots__ = ("_frame",)

    def __init__(self, write: EventWriter, item_id: str, output_index: int) -> None:
        super().__init__(write, item_id, output_index)
        self._frame = DeltaFrame.of("response.reasoning_summary_text.delta", self._part_position)
        self._added(self._item([], None))

    def add(self, text: str) -> None:
        """Add visible reasoning."""
        if not self._texts:
            part = {"part": self._part("")}
            self._write.event("response.reasoning_summary_part.added", part, self._part_position)
        self._texts.append(text)
        self._write.delta(self._frame, text)

    def close(self, opaque: str | None) -> JsonDict:
        """End the block; return the item."""
        summary = [self._close_part()] if self._texts else []
        return self._done(self._item(summary, opaque))

    def _close_part(self) -> JsonDict:
        text = self._take_text()
        part = self._part(text)
        self._write.event(
            "response.reasoning_summary_text.done", {"text": text}, self._part_position
        )
        self._write.event(
            "response.reasoning_summary_part.done", {"part": part}, self._part_position
        )
        return part

    @property
    def _part_position(self) -> JsonDict:
        return {**self._position, "summary_index": 0}

    @staticmethod
    def _part(text: str) -> JsonDict:
        return {"type": "summary_text", "text": text}

    def _item(self, summary: list[JsonDict], opaque: str | None) -> JsonDict:
        return {
            "id": self._id,
            "type": "reasoning",
            "summary": summary,
            "encrypted_content": opaque,
        }


@dataclass(frozen=True, slots=True)
class CallShape:
    """The output item of one kind of call."""

    type: str
    id_prefix: str
    key: str
    """The field that holds the arguments."""
    stem: str = ""
    """The name of its argument events, without `.delta` and `.done`; empty if the API has none."""


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

    __slots__ = ("_frame", "_shape", "_start")

    def __init__(
        self, write: EventWriter, item_id: str, output_index: int, start: ToolCallStart
    ) -> None:
        super().__init__(write, item_id, output_index)
        self._start = start
        self._shape = CALL_SHAPES[start.kind]
        if self._shape.stem:
            self._frame = DeltaFrame.of(f"{self._shape.stem}.delta", self._position)
        self._added(self._item("in_progress", "" if self._shape.stem else {}))

    @property
    def name(self) -> str:
        """The name of the tool."""
        return self._start.name

    def add(self, arguments: str) -> None:
        """Add to the arguments."""
        self._texts.append(arguments)
        if self._shape.stem:
            self._write.delta(self._frame, arguments)

    def close(self, *, malformed: bool = False) -> JsonDict | None:
        """End the call and return the item; return None, and write nothing, if its arguments are incomplete.

        `malformed` arguments are complete although they are not JSON.
        """
        kind = self._start.kind
        if kind is CallKind.FUNCTION and not self._texts:
            # Several upstreams send no arguments for a call without any; clients parse an object.
            self.add("{}")
        arguments = "".join(self._texts)
        if kind is CallKind.CUSTOM or (malformed and kind is CallKind.FUNCTION):
            return self._close(arguments, arguments)
        try:
            value = orjson.loads(arguments)
        except orjson.JSONDecodeError:
            return None
        return self._close(arguments, arguments if self._shape.stem else value)

    def _close(self, arguments: str, value: object) -> JsonDict:
        if self._shape.stem:
            name = {"name": self.name} if self._start.kind is CallKind.FUNCTION else {}
            fields = {**name, self._shape.key: arguments}
            self._write.event(f"{self._shape.stem}.done", fields, self._position)
        return self._done(self._item("completed", value))

    def _item(self, status: str, value: object) -> JsonDict:
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
