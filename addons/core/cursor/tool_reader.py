"""Incremental reader of Codex tool calls inside the text of a model without tools.

Never emits a partial call: a block that is not closed, or that `tool_form` rejects, stays text.
Invariant: any split of the text gives the same calls and the same joined text; no character outside a valid block is
lost, except blanks next to one. The cost of a character does not depend on the length of its block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from addons.core.cursor.tool_form import CLOSE, ParsedCall, opening_fence, read_call, tools_by_name
from addons.core.protocols.canonical.conversation import Tool
from addons.core.protocols.canonical.events import (
    Event,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

MAX_BLOCK_LENGTH = 2 * 1024 * 1024
MAX_FENCE_LENGTH = 200
"""The limit for a line with a fence, including the blanks around it."""
MAX_CALLS = 128
"""The limit on calls in one answer, for a model that repeats itself."""


class CallReader:
    """Splits the text of one answer into text and calls. `seed` starts the call ids; calls past `max_calls` stay text."""

    def __init__(
        self, tools: Sequence[Tool], key: str, seed: str, max_calls: int = MAX_CALLS
    ) -> None:
        self._tools = tools_by_name(tools)
        self._fence = opening_fence(key)
        self._seed = seed
        self._max_calls = max_calls
        self._line: list[str] = []
        """The current line; outside a block, only while it may still become a fence."""
        self._is_text_line = False
        """Whether the current line is not a fence, so that its text is emitted at once."""
        self._block: list[str] | None = None
        """The lines of the current block, including the opening fence; None outside a block."""
        self._size = 0
        self._blank: list[str] = []
        """Blanks at the start of a message; emitted once other text follows."""
        self._has_text = False
        self.calls = 0
        """The number of calls emitted."""

    def feed(self, text: str) -> Iterator[Event]:
        """Return the events of more text."""
        *ended, last = text.split("\n")
        for piece in ended:
            yield from self._append(f"{piece}\n")
            yield from self._end_line()
        yield from self._append(last)

    def finish(self) -> Iterator[Event]:
        """Return the events at the end of the text or of a segment."""
        yield from self._end_line()
        yield from self._emit_as_text()
        self._begin_message()

    def _append(self, piece: str) -> Iterator[Event]:
        if not piece:
            return
        if self._is_text_line:
            yield from self._text(piece)
            return
        self._line.append(piece)
        self._size += len(piece)
        if self._block is None and not self._may_be_fence():
            self._is_text_line = True
            yield from self._text(self._take_line())
        elif self._size > MAX_BLOCK_LENGTH:
            self._is_text_line = True
            yield from self._emit_as_text()

    def _may_be_fence(self) -> bool:
        if self._size > MAX_FENCE_LENGTH:
            return False
        start = "".join(self._line).lstrip(" ")
        return self._fence.startswith(start.rstrip("\n")) or start.rstrip() == self._fence

    def _end_line(self) -> Iterator[Event]:
        if self._is_text_line:
            self._is_text_line = False
            return
        line = self._take_line()
        if self._block is None and line.strip() == self._fence:
            self._block, self._size = [line], len(line)
        elif self._block is None:
            yield from self._text(line)
        else:
            self._block.append(line)
            if line.strip() == CLOSE:
                yield from self._end_block(self._block)

    def _end_block(self, block: list[str]) -> Iterator[Event]:
        call = read_call("".join(block[1:-1]), self._tools)
        if not isinstance(call, ParsedCall) or self.calls >= self._max_calls:
            yield from self._emit_as_text()
            return
        self._block, self._size = None, 0
        self._begin_message()
        index, self.calls = self.calls, self.calls + 1
        tool, call_id = call.tool, f"call_{self._seed}_{index}"
        yield ToolCallStart(index, call_id, tool.name, tool.namespace, tool.kind)
        yield ToolCallDelta(index, call.arguments)
        yield ToolCallEnd(index)

    def _emit_as_text(self) -> Iterator[Event]:
        """Emit the current block and line as text."""
        block, self._block = self._block or [], None
        yield from self._text("".join((*block, self._take_line())))

    def _take_line(self) -> str:
        line = "".join(self._line)
        self._line.clear()
        if self._block is None:
            self._size = 0
        return line

    def _text(self, text: str) -> Iterator[Event]:
        if not self._has_text:
            self._blank.append(text)
            if not text.strip():
                return
            text, self._has_text = "".join(self._blank).lstrip("\r\n"), True
            self._blank.clear()
        if text:
            yield TextDelta(text)

    def _begin_message(self) -> None:
        self._blank.clear()
        self._has_text = False
