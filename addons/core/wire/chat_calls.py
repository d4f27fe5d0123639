"""The tool calls of one chat completions stream, put together from fragments.

Source: OpenAI API reference, "Chat Completions: streaming"; the ways in which upstreams stray from it are rows of
`tests/quirks`. Never looks at a provider's name and never repairs arguments. Invariant: a call is begun once, under
its whole name and an id that no other call of the thread has, and it is ended only when the turn says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from addons.core.limits import MIB
from addons.core.translate.conversation import Call, Conversation
from addons.core.translate.custom_input import CustomInput
from addons.core.translate.events import (
    CallKind,
    Event,
    ReasoningDone,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from addons.core.translate.replay import seal
from addons.core.values import obj, string
from addons.core.wire.chat_shapes import Json

ARGUMENT_BYTES = 8 * MIB
CALLS = 10_000
PLACEHOLDER = "{}"
"""What some upstreams send as arguments before the real ones."""


@dataclass(slots=True)
class _Open:
    """One call under way. `given`: how many of its pieces were passed on."""

    index: int
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    given: int = 0
    started: bool = False
    custom: CustomInput | None = None
    extra: object = None

    @property
    def whole(self) -> bool:
        """Whether the arguments so far are a JSON object that can be the real one."""
        if not self.pieces or self.held or not self.pieces[-1].rstrip().endswith("}"):
            return False
        try:
            return isinstance(orjson.loads("".join(self.pieces)), dict)
        except orjson.JSONDecodeError:
            return False

    @property
    def held(self) -> bool:
        """Whether all there is may be a placeholder."""
        return self.pieces == [PLACEHOLDER]

    def named(self, name: str) -> None:
        """Take (more of) the name: whole, split, growing, or repeated on every chunk."""
        if not name or self.started or (self.name and self.pieces):
            return
        self.name = name if name.startswith(self.name) else self.name + name

    def argued(self, piece: str) -> None:
        """Take more of the arguments. Nothing when an upstream says all of them once more."""
        if not piece:
            return
        if self.held and not self.started:
            self.pieces.clear()
            self.size = 0
        elif self.size == len(piece) and "".join(self.pieces) == piece and self.whole:
            return
        self.pieces.append(piece)
        self.size += len(piece)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """What one chunk says of one call."""

    index: int | None
    call_id: str
    name: str
    arguments: str
    extra: object

    @classmethod
    def of(cls, value: Json) -> _Fragment:
        function = obj(value.get("function") or value.get("custom")) or value
        index = value.get("index")
        return cls(
            index if isinstance(index, int) and not isinstance(index, bool) else None,
            string(value.get("id")),
            string(function.get("name")),
            _arguments(function.get("arguments", function.get("input"))),
            value.get("extra_content"),
        )

    def opens_after(self, call: _Open) -> bool:
        """Whether this belongs to a call after the one that its index or id points at."""
        if self.call_id and self.call_id == call.call_id:
            return False
        if self.call_id and call.call_id:
            # Some upstreams make a new id for each chunk, others give every call the index 0
            if self.name and call.name and self.name != call.name:
                return True
            return call.whole and bool(self.name or self.index is None)
        again = call.whole and bool(self.name and self.arguments)
        return again and self.arguments != "".join(call.pieces)


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


class Calls:
    """All calls of one answer."""

    __slots__ = ("_by_id", "_by_index", "_conversation", "_lineage", "_open", "_taken")

    def __init__(self, conversation: Conversation, lineage: str) -> None:
        self._conversation = conversation
        self._lineage = lineage
        self._open: list[_Open] = []
        self._by_index: dict[int, _Open] = {}
        self._by_id: dict[str, _Open] = {}
        self._taken = {item.call_id for item in conversation.items if isinstance(item, Call)}

    def __bool__(self) -> bool:
        return bool(self._open)

    @property
    def too_many(self) -> bool:
        """Whether the calls or the arguments of the last one are more than anybody can want."""
        return len(self._open) > CALLS or any(
            call.size > ARGUMENT_BYTES for call in self._open[-1:]
        )

    @property
    def nameless(self) -> bool:
        """Whether arguments came of a call that never got a name."""
        return any(call.pieces and not call.name.strip() for call in self._open)

    def feed(self, value: Json) -> Iterator[Event]:
        """Take one fragment; give what it means."""
        fragment = _Fragment.of(value)
        call = self._found(fragment)
        if call is None or fragment.opens_after(call):
            yield from self._settle(self._open[-1:])
            call = self._new()
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        if fragment.call_id:
            self._by_id[fragment.call_id] = call
            call.call_id = call.call_id or fragment.call_id
        call.named(fragment.name)
        call.argued(fragment.arguments)
        call.extra = fragment.extra or call.extra
        if call.started or (call.call_id and call.name and call.pieces and not call.held):
            yield from self._give(call)

    def end(self, *, cut: bool) -> Iterator[Event]:
        """The turn is over. A stop for length or by a filter (`cut`) leaves the last call without an end."""
        calls = [call for call in self._open if call.name.strip()]
        yield from self._settle(calls)
        for call in calls[: -1 if cut else None]:
            yield from self._whole(call)

    def _found(self, fragment: _Fragment) -> _Open | None:
        if fragment.index is not None:
            return self._by_index.get(fragment.index)
        if fragment.call_id in self._by_id:
            return self._by_id[fragment.call_id]
        last = self._open[-1] if self._open else None
        if last and fragment.call_id and last.call_id and fragment.name:
            return None
        return last

    def _new(self) -> _Open:
        call = _Open(len(self._open))
        self._open.append(call)
        return call

    def _settle(self, calls: Sequence[_Open]) -> Iterator[Event]:
        """Begin calls that still waited for an id or for arguments: nothing better will come."""
        for call in calls:
            if call.name.strip():
                yield from self._give(call)

    def _give(self, call: _Open) -> Iterator[Event]:
        if not call.started:
            yield from self._start(call)
        for piece in call.pieces[call.given :]:
            text = call.custom.feed(piece) if call.custom else piece
            if text:
                yield ToolCallDelta(call.index, text)
        call.given = len(call.pieces)

    def _start(self, call: _Open) -> Iterator[Event]:
        call.started = True
        call.call_id = self._unique(call.call_id)
        yield from self._extra(call)
        name = call.name.strip()
        tool = self._conversation.tool(name)
        if tool is None:
            yield ToolCallStart(call.index, call.call_id, name)
            return
        if tool.kind is CallKind.CUSTOM:
            call.custom = CustomInput()
        yield ToolCallStart(call.index, call.call_id, tool.name, tool.namespace, tool.kind)

    def _unique(self, call_id: str) -> str:
        number = len(self._taken)
        while not call_id or call_id in self._taken:
            call_id = f"call_{number}"
            number += 1
        self._taken.add(call_id)
        return call_id

    def _extra(self, call: _Open) -> Iterator[Event]:
        """What an upstream hangs on a call (Gemini: its thought signature) it wants back with that call."""
        if call.extra:
            yield ReasoningDone(seal(self._lineage, {"calls": {call.call_id: call.extra}}))
            call.extra = None

    def _whole(self, call: _Open) -> Iterator[Event]:
        """End a call. Of a custom tool whose wrapping was cut, half the text may have been given: it has no end."""
        yield from self._extra(call)
        rest = call.custom.finish() if call.custom else ""
        if rest is None:
            return
        if rest:
            yield ToolCallDelta(call.index, rest)
        yield ToolCallEnd(call.index)
