"""What an answer said, whatever dialect it was said in: blocks in order, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import fill
from typing import Protocol

from addons.core.usage import Usage
from addons.views.page import INDENT, Block, Page, one_line
from addons.views.reading import Json, arguments_of, usage_text


@dataclass(slots=True)
class Passage:
    """A block that is still being said."""

    title: str
    parts: list[str] = field(default_factory=list)
    is_call: bool = False

    def block(self) -> Block:
        """The block so far."""
        text = "".join(self.parts)
        return Block(self.title, text, arguments_of(text) if self.is_call else None)


@dataclass(slots=True)
class Said:
    """Collects an answer."""

    passages: list[Passage] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    quota: list[str] = field(default_factory=list)
    usage: Usage | None = None
    ended: str = ""
    error: object = None
    _calls: dict[object, Passage] = field(default_factory=dict)

    def more(self, title: str, text: str) -> None:
        """Go on with the passage of this title, or begin it."""
        if not text:
            return
        if not self.passages or self.passages[-1].title != title:
            self.passages.append(Passage(title))
        self.passages[-1].parts.append(text)

    def call(self, key: object, title: str, arguments: str) -> None:
        """Begin a call, or go on with it; a later title wins when it says more."""
        passage = self._calls.get(key)
        if passage is None:
            passage = self._calls[key] = Passage(title, is_call=True)
            self.passages.append(passage)
        elif len(title) > len(passage.title):
            passage.title = title
        passage.parts.append(arguments)

    def blocks(self) -> Iterator[Block]:
        """All of it, in order."""
        return (passage.block() for passage in self.passages)


class Reader(Protocol):
    """Reads the events of one dialect."""

    said: Said

    def event(self, event: Json, name: str) -> None:
        """Take note of one event. `name` is what its stream calls it, if anything."""

    def blocks(self) -> Iterator[Block]:
        """What was said."""


def write_said(page: Page, reader: Reader) -> None:
    """Put an answer on the page."""
    said = reader.said
    for name, value in said.facts.items():
        page.line(f"{name}: {one_line(value)}")
    for block in reader.blocks():
        page.block(block)
    if said.error is not None:
        page.block(Block("ERROR", value=said.error))
    page.title(f"ENDED: {said.ended or 'not said'}")
    if said.usage:
        page.line(f"usage: {usage_text(said.usage)}", 1)
    for line in said.quota:
        page.line(f"quota: {line}", 1)
    counts = [f"{one_line(kind, 60)} {count:,}" for kind, count in said.events.most_common(12)]
    page.line(fill(f"events: {', '.join(counts)}", 100, subsequent_indent=INDENT), 1)
