"""The content blocks of one messages stream, assembled from their deltas: text, thinking, tool calls.

Source: Anthropic API reference, "Streaming messages", "Extended thinking"; text is separated from tags and leaked calls
by `canonical.answer_text`. Never looks at a provider's name. Invariant: a call ends only when the model continues after
it or the turn has a stop reason; a call that a limit may have truncated, or whose block did not stop, ends only if its
arguments are a complete object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.limits import MIB
from addons.core.protocols.canonical.answer_text import AnswerText, Part
from addons.core.protocols.canonical.argument_repair import ArgumentStream
from addons.core.protocols.canonical.conversation import Call, Conversation
from addons.core.protocols.canonical.custom_tool_input import CustomInputDecoder
from addons.core.protocols.canonical.events import (
    CallKind,
    Citation,
    Event,
    ReasoningDelta,
    ReasoningDone,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UnknownFields,
)
from addons.core.protocols.canonical.leaked_calls import LeakedCall, declared_tool
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.schemas.clean import argument_stream

MAX_ARGUMENT_BYTES = 8 * MIB
MAX_CALLS = 10_000
TOO_MANY_CALLS = "sent more or longer tool calls than codex-shim accepts"
NAMELESS_CALL = "sent a tool call without a name"


@dataclass(slots=True)
class _Block:
    """One open block."""

    kind: str
    call_index: int = -1
    """The index of the call among the calls of the answer; -1 for other blocks and for `answer_tool`."""
    initial_input: object = None
    stream: ArgumentStream | None = None
    """Passes on the arguments of a function."""
    custom: CustomInputDecoder | None = None
    schema: JsonObject | None = None
    pieces: list[str] = field(default_factory=list)
    """The deltas of its thinking, or of the arguments of its call."""
    size: int = 0
    signature: str = ""
    stopped: bool = False

    @property
    def arguments(self) -> object:
        """The value of the arguments; None if they are not JSON."""
        try:
            return orjson.loads("".join(self.pieces))
        except orjson.JSONDecodeError:
            return None


class ContentBlocks:
    """All blocks of one answer. The input of the tool `answer_tool` is the text of a structured answer."""

    __slots__ = (
        "_answer_tool",
        "_by_index",
        "_conversation",
        "_open",
        "_reasoning_scope",
        "_text",
        "_unknown",
        "_used_ids",
        "answered",
        "calls",
        "fault",
        "passes",
    )

    def __init__(self, conversation: Conversation, reasoning_scope: str, answer_tool: str) -> None:
        self._conversation = conversation
        self._reasoning_scope = reasoning_scope
        self._answer_tool = answer_tool
        self._used_ids: set[str] | None = None
        """The ids of the calls of the thread, once an answer calls a tool."""
        self._by_index: dict[object, _Block] = {}
        self._unknown = UnknownFields()
        self._text = AnswerText(conversation)
        self.passes = self._text.passes
        """Return whether text that follows other text can hold no marker. It then counts as passed on."""
        self._open: list[_Block] = []
        self.calls = 0
        """The number of calls so far."""
        self.answered = False
        """Whether the answer has text or calls."""
        self.fault = ""
        """Why the answer cannot be accepted; empty while it can."""

    @property
    def is_plain(self) -> bool:
        """Whether no text is held back."""
        return self._text.plain

    def start(self, index: object, content: JsonObject) -> Iterator[Event]:
        """Open a block."""
        if self._open:
            yield from self._continue()
        kind = as_str(content.get("type"))
        block = _Block(kind)
        self._by_index[index] = block
        if kind != "text":
            yield from self._end_text()
        if kind == "tool_use":
            yield from self._start_call(block, content)
        elif kind == "thinking":
            self._open.append(block)
            yield from self._add_thinking(block, as_str(content.get("thinking")))
            block.signature = as_str(content.get("signature"))
        elif kind == "redacted_thinking":
            data = as_str(content.get("data"))
            yield ReasoningDone(wrap(self._reasoning_scope, {"redacted_thinking": data}))
        elif kind == "text":
            if text := as_str(content.get("text")):
                yield from self._add_text(text)
        elif kind:
            # The call of a tool that the upstream ran itself is not a call for Codex.
            yield from self._unknown.report("block", kind)

    def delta(self, index: object, delta: JsonObject) -> Iterator[Event]:
        """Add to a block. Some upstreams send no start of a block: its first delta opens it."""
        kind = as_str(delta.get("type"))
        block = self._by_index.get(index)
        if kind == "text_delta" or (not kind and "text" in delta):
            yield from self._add_text(as_str(delta.get("text")))
        elif kind == "thinking_delta":
            if block is None or block.kind != "thinking":
                yield from self.start(index, {"type": "thinking"})
                block = self._by_index[index]
            yield from self._add_thinking(block, as_str(delta.get("thinking")))
        elif kind == "citations_delta":
            yield from self._add_citation(as_object(delta.get("citation")))
        elif kind == "signature_delta" and block:
            block.signature += as_str(delta.get("signature"))
        elif kind == "input_json_delta" and (block is None or block.kind == "tool_use"):
            yield from self._add_arguments(block, as_str(delta.get("partial_json")))

    def stop(self, index: object) -> Iterator[Event]:
        """Close a block. A call stays open until the model continues: a limit may have truncated it."""
        block = self._by_index.pop(index, None)
        if block and block.kind == "thinking" and block in self._open:
            yield from self._close_thinking(block)
        elif block:
            block.stopped = True

    def finish(self, *, truncated: bool) -> Iterator[Event]:
        """Close all blocks of the turn. If it was truncated, only complete calls end."""
        yield from self._add_parts(self._text.finish(takes_calls=not truncated))
        for block in tuple(self._open):
            if block.kind == "thinking":
                yield from self._close_thinking(block)
            elif not truncated or (block.stopped and self._is_complete(block)):
                yield from self._close_call(block)

    @staticmethod
    def _is_complete(block: _Block) -> bool:
        return isinstance(block.arguments if block.pieces else block.initial_input, dict)

    def _continue(self) -> Iterator[Event]:
        """Close the blocks that stopped: the model continued, so they are complete."""
        for block in tuple(self._open):
            if block.kind == "thinking":
                yield from self._close_thinking(block)
            elif block.stopped:
                yield from self._close_call(block)

    def _add_text(self, text: str) -> Iterator[Event]:
        if text:
            if self._open:
                yield from self._continue()
            yield from self._add_parts(self._text.feed(text))

    def _add_parts(self, parts: Iterable[Part]) -> Iterator[Event]:
        for part in parts:
            if isinstance(part, LeakedCall):
                # The block is whole from its start.
                block = _Block("tool_use", stopped=True)
                yield from self._start_call(block, {"name": part.name})
                yield from self._add_arguments(block, part.arguments)
            else:
                self.answered = self.answered or isinstance(part, TextDelta)
                yield part

    def _end_text(self) -> Iterator[Event]:
        """Pass on the text that is held back, before any other content."""
        if not self._text.plain:
            yield from self._add_parts(self._text.finish())

    def _add_citation(self, citation: JsonObject) -> Iterator[Event]:
        if url := as_str(citation.get("url")):
            yield Citation(url, as_str(citation.get("title")))
        else:
            yield from self._unknown.report("citation", as_str(citation.get("type")))

    def _add_thinking(self, block: _Block, text: str) -> Iterator[Event]:
        if text:
            self._text.note_reasoning()
            block.pieces.append(text)
            yield ReasoningDelta(text)

    def _close_thinking(self, block: _Block) -> Iterator[Event]:
        self._open.remove(block)
        thought = "".join(block.pieces)
        if thought or block.signature:
            kept = {"thinking": thought, "signature": block.signature}
            yield ReasoningDone(wrap(self._reasoning_scope, kept))

    def _start_call(self, block: _Block, content: JsonObject) -> Iterator[Event]:
        name = as_str(content.get("name")).strip()
        if not name:
            self.fault = NAMELESS_CALL
            return
        self.answered = True
        self._open.append(block)
        block.initial_input = content.get("input") or None
        if self._answer_tool and name == self._answer_tool:
            return
        block.call_index = self.calls
        self.calls += 1
        if self.calls > MAX_CALLS:
            self.fault = TOO_MANY_CALLS
        tool = declared_tool(self._conversation, name)
        kind = tool.kind if tool else CallKind.FUNCTION
        block.schema = tool.schema if tool else None
        if kind is CallKind.CUSTOM:
            block.custom = CustomInputDecoder()
        else:
            block.stream = argument_stream(tool)
        yield ToolCallStart(
            block.call_index,
            self._unique(as_str(content.get("id"))),
            tool.name if tool else name,
            tool.namespace if tool else None,
            kind,
        )

    def _unique(self, call_id: str) -> str:
        """Return an id that no other call of the thread has: some upstreams number from 0 in each answer, or send none."""
        if self._used_ids is None:
            items = self._conversation.items
            self._used_ids = {item.call_id for item in items if isinstance(item, Call)}
        base = call_id or f"call_{len(self._used_ids)}"
        unique_id, count = base, 1
        while unique_id in self._used_ids:
            count += 1
            unique_id = f"{base}_{count}"
        self._used_ids.add(unique_id)
        return unique_id

    def _add_arguments(self, block: _Block | None, fragment: str) -> Iterator[Event]:
        if not fragment:
            return
        if block is None:
            # The call was not started: the emitter fails the turn.
            yield ToolCallDelta(-1, fragment)
            return
        block.pieces.append(fragment)
        block.size += len(fragment)
        if block.size > MAX_ARGUMENT_BYTES:
            self.fault = TOO_MANY_CALLS
        if block.call_index < 0:
            yield TextDelta(fragment)
            return
        decoder = block.custom or block.stream
        text = decoder.feed(fragment) if decoder else fragment
        if text:
            yield ToolCallDelta(block.call_index, text)

    def _close_call(self, block: _Block) -> Iterator[Event]:
        self._open.remove(block)
        if not block.pieces and block.initial_input is not None:
            value = block.initial_input
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            yield from self._add_arguments(block, text)
        if block.call_index < 0:
            return
        rest, is_whole = self._rest_of(block)
        if rest is None or not (is_whole or block.stopped):
            return
        if rest:
            yield ToolCallDelta(block.call_index, rest)
        yield ToolCallEnd(block.call_index, malformed=not is_whole)

    def _rest_of(self, block: _Block) -> tuple[str | None, bool]:
        """Return the arguments that were not passed on, and whether all of them are an object.

        None instead of the text of a custom tool that is truncated: half of it must not be passed on as all of it.
        """
        schema = block.schema if block.stopped else None
        if block.custom:
            return block.custom.finish(schema), True
        if block.stream and block.pieces:
            return block.stream.finish("".join(block.pieces), schema)
        return "", True
