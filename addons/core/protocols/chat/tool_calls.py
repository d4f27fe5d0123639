"""The tool calls of a chat completions answer, assembled from the fragments in its chunks.

Source: OpenAI API reference, "Chat Completions: streaming" (`tool_calls`); the deviations of other upstreams are rows of
`tests/quirks`. Never looks at a provider's name, never repairs arguments. Invariant: total; a call starts once, under its
complete name and an id that no other call of the thread has, and ends only when the turn does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from addons.core.json_values import JsonObject, as_object, as_str
from addons.core.limits import MIB
from addons.core.protocols.canonical.argument_repair import ArgumentStream
from addons.core.protocols.canonical.conversation import Call, Conversation
from addons.core.protocols.canonical.custom_tool_input import CustomInputDecoder
from addons.core.protocols.canonical.events import (
    CallKind,
    Event,
    ReasoningDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.protocols.canonical.leaked_calls import LeakedCall, declared_tool
from addons.core.protocols.canonical.opaque_reasoning import wrap
from addons.core.protocols.schemas.clean import argument_stream

MAX_ARGUMENT_BYTES = 8 * MIB
MAX_CALLS = 10_000
NO_VALUE = frozenset({"null", "None"})
"""What LiteLLM writes for an id or a name that a fragment does not have."""
PLACEHOLDER = "{}"
"""What some upstreams send as arguments before the real ones."""


@dataclass(slots=True)
class _OpenCall:
    """A call that has not ended."""

    index: int
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    emitted: int = 0
    """How many of the pieces were passed on."""
    started: bool = False
    stream: ArgumentStream | None = None
    """Passes on the arguments of a function."""
    custom: CustomInputDecoder | None = None
    schema: JsonObject | None = None
    extra: object = None

    @property
    def complete(self) -> bool:
        """Whether the arguments are a JSON object that can be the final one."""
        if not self.pieces or self.only_placeholder or not self.pieces[-1].rstrip().endswith("}"):
            return False
        try:
            return isinstance(orjson.loads("".join(self.pieces)), dict)
        except orjson.JSONDecodeError:
            return False

    @property
    def only_placeholder(self) -> bool:
        """Whether the arguments so far may be a placeholder."""
        return self.pieces == [PLACEHOLDER]

    def add_name(self, name: str) -> None:
        """Add to the name, which may arrive complete, split, growing, or repeated in every chunk."""
        if not name or self.started or (self.name and self.pieces):
            return
        self.name = name if name.startswith(self.name) else self.name + name

    def add_arguments(self, piece: str) -> None:
        """Add to the arguments, unless the upstream repeats all of them."""
        if not piece:
            return
        if self.only_placeholder and not self.started:
            self.pieces.clear()
            self.size = 0
        elif self.size == len(piece) and "".join(self.pieces) == piece and self.complete:
            return
        self.pieces.append(piece)
        self.size += len(piece)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """The part of one call in one chunk."""

    index: int | None
    call_id: str
    name: str
    arguments: str
    extra: object

    @classmethod
    def of(cls, value: JsonObject) -> _Fragment:
        function = as_object(value.get("function") or value.get("custom")) or value
        index = value.get("index")
        return cls(
            index if isinstance(index, int) and not isinstance(index, bool) else None,
            _given(value.get("id")),
            _given(function.get("name")),
            _arguments_text(function.get("arguments", function.get("input"))),
            value.get("extra_content"),
        )

    def starts_after(self, call: _OpenCall) -> bool:
        """Return whether this starts a new call, although its index or id refers to `call`."""
        if self.call_id and self.call_id == call.call_id:
            return False
        if self.call_id and call.call_id:
            # Some upstreams make a new id for each chunk; others give every call the index 0.
            if self.name and call.name and self.name != call.name:
                return True
            return call.complete and bool(self.name or self.index is None)
        repeated = call.complete and bool(self.name and self.arguments)
        return repeated and self.arguments != "".join(call.pieces)


def _given(value: object) -> str:
    text = as_str(value)
    return "" if text in NO_VALUE else text


def _arguments_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


class ToolCalls:
    """The tool calls of one answer, assembled from fragments."""

    __slots__ = ("_by_id", "_by_index", "_calls", "_conversation", "_reasoning_scope", "_used_ids")

    def __init__(self, conversation: Conversation, reasoning_scope: str) -> None:
        self._conversation = conversation
        self._reasoning_scope = reasoning_scope
        self._calls: list[_OpenCall] = []
        self._by_index: dict[int, _OpenCall] = {}
        self._by_id: dict[str, _OpenCall] = {}
        self._used_ids: set[str] | None = None
        """The ids of the calls of the thread, once an answer calls a tool."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def too_many(self) -> bool:
        """Whether there are too many calls, or the arguments of the last one are too long."""
        calls = self._calls
        return bool(calls) and (len(calls) > MAX_CALLS or calls[-1].size > MAX_ARGUMENT_BYTES)

    @property
    def nameless(self) -> bool:
        """Whether a call has arguments but no name."""
        return any(call.pieces and not call.name.strip() for call in self._calls)

    def feed(self, value: JsonObject) -> Iterator[Event]:
        """Add one fragment; return the events that it completes."""
        fragment = _Fragment.of(value)
        call = self._find(fragment)
        if call is None or fragment.starts_after(call):
            yield from self._start_waiting(self._calls[-1:])
            call = _OpenCall(len(self._calls))
            self._calls.append(call)
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        if fragment.call_id:
            self._by_id[fragment.call_id] = call
            call.call_id = call.call_id or fragment.call_id
        call.add_name(fragment.name)
        call.add_arguments(fragment.arguments)
        call.extra = fragment.extra or call.extra
        if call.started or (
            call.call_id and call.name and call.pieces and not call.only_placeholder
        ):
            yield from self._emit(call)

    def finish(self, *, truncated: bool) -> Iterator[Event]:
        """End the calls of the turn. If it was truncated, the last call has no end."""
        calls = [call for call in self._calls if call.name.strip()]
        yield from self._start_waiting(calls)
        for call in calls[: -1 if truncated else None]:
            yield from self._end(call, truncated=truncated)

    def add_leaked(self, leaked: LeakedCall) -> Iterator[Event]:
        """Add a call that the upstream left in its text."""
        call = _OpenCall(len(self._calls), "", leaked.name, [leaked.arguments])
        self._calls.append(call)
        yield from self._emit(call)

    def _find(self, fragment: _Fragment) -> _OpenCall | None:
        known = None if fragment.index is None else self._by_index.get(fragment.index)
        if known or (fragment.index is not None and (fragment.call_id or fragment.name)):
            return known
        if fragment.call_id in self._by_id:
            return self._by_id[fragment.call_id]
        last = self._calls[-1] if self._calls else None
        if last and fragment.index is not None and (last.complete or last.only_placeholder):
            # the arguments of another call, whose name is late
            return None
        if last and fragment.call_id and last.call_id and fragment.name:
            return None
        return last

    def _start_waiting(self, calls: Sequence[_OpenCall]) -> Iterator[Event]:
        """Start calls that still waited for an id or for arguments: neither will arrive."""
        for call in calls:
            if call.name.strip():
                yield from self._emit(call)

    def _emit(self, call: _OpenCall) -> Iterator[Event]:
        if not call.started:
            yield from self._start(call)
        decoder = call.custom or call.stream
        for piece in call.pieces[call.emitted :]:
            text = decoder.feed(piece) if decoder else piece
            if text:
                yield ToolCallDelta(call.index, text)
        call.emitted = len(call.pieces)

    def _start(self, call: _OpenCall) -> Iterator[Event]:
        call.started = True
        call.call_id = self._unique(call.call_id)
        yield from self._emit_extra(call)
        name = call.name.strip()
        tool = declared_tool(self._conversation, name)
        if tool is None:
            call.stream = ArgumentStream()
            yield ToolCallStart(call.index, call.call_id, name)
            return
        call.schema = tool.schema
        if tool.kind is CallKind.CUSTOM:
            call.custom = CustomInputDecoder()
        else:
            call.stream = argument_stream(tool)
        yield ToolCallStart(call.index, call.call_id, tool.name, tool.namespace, tool.kind)

    def _unique(self, call_id: str) -> str:
        if self._used_ids is None:
            items = self._conversation.items
            self._used_ids = {item.call_id for item in items if isinstance(item, Call)}
        number = len(self._used_ids)
        while not call_id or call_id in self._used_ids:
            call_id = f"call_{number}"
            number += 1
        self._used_ids.add(call_id)
        return call_id

    def _emit_extra(self, call: _OpenCall) -> Iterator[Event]:
        """Wrap what the upstream attached to a call and expects back with it (Gemini: a thought signature)."""
        if call.extra:
            kept = {"calls": {call.call_id: call.extra}}
            yield ReasoningDone(wrap(self._reasoning_scope, kept))
            call.extra = None

    def _end(self, call: _OpenCall, *, truncated: bool) -> Iterator[Event]:
        """End a call, unless a limit may have truncated its arguments.

        A custom tool call with truncated arguments gets no end: half its text must not be passed on as all of it.
        """
        yield from self._emit_extra(call)
        arguments, rest, is_whole = "".join(call.pieces), "", True
        if call.custom:
            whole = call.custom.finish(call.schema)
            if whole is None:
                return
            rest = whole
        elif call.stream and call.pieces:
            rest, is_whole = call.stream.finish(arguments, None if truncated else call.schema)
        if truncated and not is_whole:
            return
        if rest:
            yield ToolCallDelta(call.index, rest)
        yield ToolCallEnd(call.index, malformed=not is_whole)
