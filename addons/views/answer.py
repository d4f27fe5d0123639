"""The content of an answer, independent of its protocol: blocks in order, how it ended, usage and event counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import fill
from typing import Protocol

from addons.core.json_values import JsonObject
from addons.core.usage import Usage
from addons.views.json_input import arguments_of, usage_text
from addons.views.page import INDENT, Block, Page, one_line

SHOWN_EVENT_TYPES = 12


@dataclass(slots=True)
class OpenBlock:
    """A block that more deltas may extend."""

    title: str
    deltas: list[str] = field(default_factory=list)
    is_call: bool = False

    def block(self) -> Block:
        """Return the block so far."""
        text = "".join(self.deltas)
        return Block(self.title, text, arguments_of(text) if self.is_call else None)


@dataclass(slots=True)
class AnswerContent:
    """Collects the content of an answer."""

    open_blocks: list[OpenBlock] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    """Id, model and the like."""
    events: Counter[str] = field(default_factory=Counter)
    quota: list[str] = field(default_factory=list)
    usage: Usage | None = None
    ended: str = ""
    """The terminal event or the stop reason."""
    error: object = None
    _calls: dict[object, OpenBlock] = field(default_factory=dict)

    def add_text(self, title: str, text: str) -> None:
        """Extend the last block if it has this title, otherwise begin a new one."""
        if not text:
            return
        if not self.open_blocks or self.open_blocks[-1].title != title:
            self.open_blocks.append(OpenBlock(title))
        self.open_blocks[-1].deltas.append(text)

    def add_call(self, key: object, title: str, arguments: str) -> None:
        """Extend the call with this key, or begin it. A longer title replaces the earlier one."""
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = OpenBlock(title, is_call=True)
            self.open_blocks.append(call)
        elif len(title) > len(call.title):
            call.title = title
        call.deltas.append(arguments)

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in order."""
        return (block.block() for block in self.open_blocks)


class AnswerReader(Protocol):
    """Reads the events of one protocol into `content`."""

    content: AnswerContent

    def event(self, event: JsonObject, name: str) -> None:
        """Read one event. `name` is the SSE event name, if any."""

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the answer."""


def write_content(page: Page, reader: AnswerReader) -> None:
    """Write an answer to the page."""
    content = reader.content
    for name, value in content.facts.items():
        page.line(f"{name}: {one_line(value)}")
    for block in reader.blocks():
        page.block(block)
    if content.error is not None:
        page.block(Block("ERROR", value=content.error))
    page.title(f"ENDED: {content.ended or 'without a terminal event'}")
    if content.usage:
        page.line(f"usage: {usage_text(content.usage)}", 1)
    for line in content.quota:
        page.line(f"quota: {line}", 1)
    common = content.events.most_common(SHOWN_EVENT_TYPES)
    counts = ", ".join(f"{one_line(kind, 60)} {count:,}" for kind, count in common)
    page.line(fill(f"events: {counts}", 100, subsequent_indent=INDENT), 1)
