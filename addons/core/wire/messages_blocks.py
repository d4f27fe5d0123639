"""The content blocks of one messages stream: text, thinking, tool calls, put together from their deltas.

Source: Anthropic API reference, "Streaming messages", "Extended thinking". Never repairs arguments, never looks at a
provider's name. Invariant: a call's end is told once it is certain: when the model went on after it or said why it
stopped; a call that a limit may have cut is ended only when its arguments are a whole object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from addons.core.limits import MIB
from addons.core.translate.conversation import Call, Conversation
from addons.core.translate.custom_input import CustomInput
from addons.core.translate.events import (
    CallKind,
    Citation,
    Event,
    ReasoningDelta,
    ReasoningDone,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.translate.replay import seal
from addons.core.values import obj, string
from addons.core.wire.left_out import Unknown
from addons.core.wire.messages_shapes import Json

ARGUMENT_BYTES = 8 * MIB
CALLS = 10_000
TOO_MUCH = "sent more tool calls, or longer ones, than can be meant"
NAMELESS = "sent a tool call without a name"


@dataclass(slots=True)
class _Block:
    """One block under way. `pieces`: its thinking, or the arguments of its call as they came."""

    kind: str
    index: int = -1
    """Of the call among the calls of this answer; -1 for none, and for the answer's form."""
    whole_input: object = None
    custom: CustomInput | None = None
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    signature: str = ""
    stopped: bool = False

    @property
    def value(self) -> object:
        """The arguments as JSON; None when they are none."""
        try:
            return orjson.loads("".join(self.pieces))
        except orjson.JSONDecodeError:
            return None


class Blocks:
    """All blocks of one answer. `form` is the tool whose input is the answer's text."""

    __slots__ = (
        "_by_index",
        "_conversation",
        "_form",
        "_lineage",
        "_open",
        "_taken",
        "_unknown",
        "calls",
        "fault",
        "said",
    )

    def __init__(self, conversation: Conversation, lineage: str, form: str) -> None:
        self._conversation = conversation
        self._lineage = lineage
        self._form = form
        self._taken = {item.call_id for item in conversation.items if isinstance(item, Call)}
        self._by_index: dict[object, _Block] = {}
        self._unknown = Unknown()
        self._open: list[_Block] = []
        self.calls = 0
        self.said = False
        """Whether the model has said or called anything."""
        self.fault = ""
        """What of the calls cannot be meant, in words; empty while all is well."""

    def start(self, index: object, content: Json) -> Iterator[Event]:
        """A block begins."""
        yield from self._settle()
        kind = string(content.get("type"))
        block = _Block(kind)
        self._by_index[index] = block
        if kind == "tool_use":
            yield from self._call(block, content)
        elif kind == "thinking":
            self._open.append(block)
            yield from self._thinks(block, string(content.get("thinking")))
            block.signature = string(content.get("signature"))
        elif kind == "redacted_thinking":
            data = string(content.get("data"))
            yield ReasoningDone(seal(self._lineage, {"redacted_thinking": data}))
        elif kind == "text":
            yield from self._speaks(string(content.get("text")))
        elif kind:
            # what an upstream did with tools of its own is no call of Codex's
            yield from self._unknown.of("block", kind)

    def _cites(self, cited: Json) -> Iterator[Event]:
        if url := string(cited.get("url")):
            yield Citation(url, string(cited.get("title")))
        else:
            yield from self._unknown.of("citation", string(cited.get("type")))

    def delta(self, index: object, delta: Json) -> Iterator[Event]:
        """More of a block. A delta of a block that was not begun begins it: some upstreams leave that out."""
        kind = string(delta.get("type"))
        block = self._by_index.get(index)
        if kind == "text_delta" or (not kind and "text" in delta):
            yield from self._speaks(string(delta.get("text")))
        elif kind == "thinking_delta":
            if block is None or block.kind != "thinking":
                yield from self.start(index, {"type": "thinking"})
                block = self._by_index[index]
            yield from self._thinks(block, string(delta.get("thinking")))
        elif kind == "citations_delta":
            yield from self._cites(obj(delta.get("citation")))
        elif kind == "signature_delta" and block:
            block.signature += string(delta.get("signature"))
        elif kind == "input_json_delta" and (block is None or block.kind == "tool_use"):
            yield from self._argues(block, string(delta.get("partial_json")))

    def stop(self, index: object) -> Iterator[Event]:
        """A block ends. The end of a call waits for what comes next: a limit may have cut it."""
        block = self._by_index.pop(index, None)
        if block and block.kind == "thinking" and block in self._open:
            yield from self._close_thinking(block)
        elif block:
            block.stopped = True

    def end(self, *, cut: bool) -> Iterator[Event]:
        """The turn is over. After a stop in the middle (`cut`) only whole calls are ended."""
        for block in tuple(self._open):
            if block.kind == "thinking":
                yield from self._close_thinking(block)
            elif not cut or (block.stopped and self._is_whole(block)):
                yield from self._close_call(block)

    @staticmethod
    def _is_whole(block: _Block) -> bool:
        return isinstance(block.value if block.pieces else block.whole_input, dict)

    def _settle(self) -> Iterator[Event]:
        """The model went on: what stopped before was whole."""
        for block in tuple(self._open):
            if block.kind == "thinking":
                yield from self._close_thinking(block)
            elif block.stopped:
                yield from self._close_call(block)

    def _speaks(self, text: str) -> Iterator[Event]:
        if text:
            yield from self._settle()
            self.said = True
            yield TextDelta(text)

    def _thinks(self, block: _Block, text: str) -> Iterator[Event]:
        if text:
            block.pieces.append(text)
            yield ReasoningDelta(text)

    def _close_thinking(self, block: _Block) -> Iterator[Event]:
        self._open.remove(block)
        thought = "".join(block.pieces)
        if thought or block.signature:
            kept = {"thinking": thought, "signature": block.signature}
            yield ReasoningDone(seal(self._lineage, kept))

    def _call(self, block: _Block, content: Json) -> Iterator[Event]:
        name = string(content.get("name")).strip()
        if not name:
            self.fault = NAMELESS
            return
        self.said = True
        self._open.append(block)
        given = content.get("input")
        block.whole_input = given or None
        if self._form and name == self._form:
            return
        block.index = self.calls
        self.calls += 1
        if self.calls > CALLS:
            self.fault = TOO_MUCH
        tool = self._conversation.tool(name)
        kind = tool.kind if tool else CallKind.FUNCTION
        block.custom = CustomInput() if kind is CallKind.CUSTOM else None
        yield ToolCallStart(
            block.index,
            self._unique(string(content.get("id"))),
            tool.name if tool else name,
            tool.namespace if tool else None,
            kind,
        )

    def _unique(self, call_id: str) -> str:
        """An id that no other call of the thread has: some upstreams count from 0 in each answer, or send none."""
        base = call_id or f"call_{len(self._taken)}"
        own, count = base, 1
        while own in self._taken:
            count += 1
            own = f"{base}_{count}"
        self._taken.add(own)
        return own

    def _argues(self, block: _Block | None, fragment: str) -> Iterator[Event]:
        if not fragment:
            return
        if block is None:
            # Of a call that was not begun: the emitter fails the turn.
            yield ToolCallDelta(-1, fragment)
            return
        block.pieces.append(fragment)
        block.size += len(fragment)
        if block.size > ARGUMENT_BYTES:
            self.fault = TOO_MUCH
        if block.index < 0:
            yield TextDelta(fragment)
            return
        text = block.custom.feed(fragment) if block.custom else fragment
        if text:
            yield ToolCallDelta(block.index, text)

    def _close_call(self, block: _Block) -> Iterator[Event]:
        self._open.remove(block)
        if not block.pieces and block.whole_input is not None:
            given = block.whole_input
            text = given if isinstance(given, str) else orjson.dumps(given).decode()
            yield from self._argues(block, text)
        if block.index < 0:
            return
        if block.custom:
            rest = block.custom.finish()
            if rest is None:
                return
            if rest:
                yield ToolCallDelta(block.index, rest)
        elif block.pieces and block.value is None:
            return
        yield ToolCallEnd(block.index)
