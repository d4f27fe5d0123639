"""Calls of Codex's own tools inside the text of a model that only speaks, read as the text comes.

Never gives half a call: a block that is not closed, or that `tool_form` finds no call in, stays what it is, text.
Invariant: however the text is cut, the same events come out, text joined; no character outside of a valid block is
lost but blanks beside one. What a character costs does not grow with the block that it stands in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from addons.core.cursor.tool_form import CLOSE, Asked, by_wire_name, fence_of, read_call
from addons.core.translate.conversation import Tool
from addons.core.translate.events import (
    Event,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

LONGEST_BLOCK = 2 * 1024 * 1024
LONGEST_FENCE = 200
"""Of a line that holds a fence: blanks may stand around it."""
NO_LIMIT = 128
"""More calls than anybody asks for at once: what a model that repeats itself can at most do."""


class CallReader:
    """Text of one answer in, text and calls out. `seed` makes the calls' ids; more calls than `most` stay text."""

    def __init__(self, tools: Sequence[Tool], key: str, seed: str, most: int = NO_LIMIT) -> None:
        self._tools = by_wire_name(tools)
        self._fence = fence_of(key)
        self._seed = seed
        self._most = most
        self._line: list[str] = []
        """The line under way: outside of a block only as long as it may still become a fence."""
        self._passes = False
        """The line under way is no fence: its text goes on as it comes."""
        self._block: list[str] | None = None
        """The lines of the block under way, its first fence too."""
        self._size = 0
        self._blank: list[str] = []
        """Blanks at the start of a message: they are given when words follow."""
        self._said = False
        self.calls = 0
        """How many calls were given."""

    def feed(self, text: str) -> Iterator[Event]:
        """What more text means."""
        *ended, last = text.split("\n")
        for piece in ended:
            yield from self._take(f"{piece}\n")
            yield from self._line_ends()
        yield from self._take(last)

    def finish(self) -> Iterator[Event]:
        """The text ends here, or a segment of it does."""
        yield from self._line_ends()
        yield from self._give_up()
        self._begin_message()

    def _take(self, piece: str) -> Iterator[Event]:
        if not piece:
            return
        if self._passes:
            yield from self._text(piece)
            return
        self._line.append(piece)
        self._size += len(piece)
        if self._block is None and not self._may_be_fence():
            self._passes = True
            yield from self._text(self._taken())
        elif self._size > LONGEST_BLOCK:
            self._passes = True
            yield from self._give_up()

    def _may_be_fence(self) -> bool:
        if self._size > LONGEST_FENCE:
            return False
        start = "".join(self._line).lstrip(" ")
        return self._fence.startswith(start.rstrip("\n")) or start.rstrip() == self._fence

    def _line_ends(self) -> Iterator[Event]:
        if self._passes:
            self._passes = False
            return
        line = self._taken()
        if self._block is None and line.strip() == self._fence:
            self._block, self._size = [line], len(line)
        elif self._block is None:
            yield from self._text(line)
        else:
            self._block.append(line)
            if line.strip() == CLOSE:
                yield from self._block_ends(self._block)

    def _block_ends(self, block: list[str]) -> Iterator[Event]:
        asked = read_call("".join(block[1:-1]), self._tools)
        if not isinstance(asked, Asked) or self.calls >= self._most:
            yield from self._give_up()
            return
        self._block, self._size = None, 0
        self._begin_message()
        index, self.calls = self.calls, self.calls + 1
        tool, call_id = asked.tool, f"call_{self._seed}_{index}"
        yield ToolCallStart(index, call_id, tool.name, tool.namespace, tool.kind)
        yield ToolCallDelta(index, asked.arguments)
        yield ToolCallEnd(index)

    def _give_up(self) -> Iterator[Event]:
        """What is held is text."""
        block, self._block = self._block or [], None
        yield from self._text("".join((*block, self._taken())))

    def _taken(self) -> str:
        line = "".join(self._line)
        self._line.clear()
        if self._block is None:
            self._size = 0
        return line

    def _text(self, text: str) -> Iterator[Event]:
        if not self._said:
            self._blank.append(text)
            if not text.strip():
                return
            text, self._said = "".join(self._blank).lstrip("\r\n"), True
            self._blank.clear()
        if text:
            yield TextDelta(text)

    def _begin_message(self) -> None:
        self._blank.clear()
        self._said = False
