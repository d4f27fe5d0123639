"""A page of text: titles, indented blocks, and JSON values as outlines. Bounded, without control characters.

Never does: parse a protocol. Invariant: total; no page is longer than `PAGE_CHARACTERS` and one note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import orjson

PAGE_CHARACTERS = 400_000
BLOCK_CHARACTERS = 20_000
FOLDED_CHARACTERS = 600
"""The limit for a text that is the same in every turn."""
SHOWN_MEMBERS = 200
"""Members of one array or object in an outline."""
SHOWN_DEPTH = 12
INDENT = "  "

# Escape sequences could overwrite other lines; bidi controls could reverse the visible order.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A title, and a text or a value. A folded block is clipped early."""

    title: str
    text: str = ""
    value: object = None
    folded: bool = False


class Page:
    """Lines, until the page is full."""

    __slots__ = ("_left", "_lines")

    def __init__(self, limit: int = PAGE_CHARACTERS) -> None:
        self._lines: list[str] = []
        self._left = limit

    @property
    def full(self) -> bool:
        """Whether further lines are ignored."""
        return self._left <= 0

    def line(self, text: str = "", depth: int = 0) -> None:
        """Add a text. Each of its lines is indented."""
        for one in visible(text[: self._left + 1]).split("\n"):
            if self.full:
                return
            indented = (INDENT * depth + one).rstrip()
            self._left -= len(indented) + 1
            if self.full:
                indented = (
                    indented[: max(0, self._left)] + "… the rest is omitted: see the raw view"
                )
            self._lines.append(indented)

    def title(self, text: str) -> None:
        """Begin a section."""
        if self._lines:
            self.line()
        self.line(one_line(text))

    def outline(self, value: object, depth: int = 0) -> None:
        """Add a JSON value, one member a line, strings without quotes."""
        for line in outlined(value):
            if self.full:
                return
            self.line(line, depth)

    def block(self, block: Block, limit: int = BLOCK_CHARACTERS) -> None:
        """Add a block."""
        self.title(block.title)
        if block.value is not None:
            part = Page(limit)
            part.outline(block.value)
            self.line(part.text(), 1)
        elif block.text:
            self.line(clipped(block.text, FOLDED_CHARACTERS if block.folded else limit), 1)

    def text(self) -> str:
        """Return the page."""
        return "\n".join(self._lines)


def visible(text: str) -> str:
    """Return the text with control characters replaced and line ends as LF."""
    return _CONTROLS.sub(
        "\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n")
    )


def one_line(text: str, limit: int = 200) -> str:
    """Return the text as one short line."""
    flat = " ".join(text[: limit * 4].split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def clipped(text: str, limit: int) -> str:
    """Return the beginning and the end of a long text, with a note between them."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    note = f"… {len(text) - limit:,} characters omitted: see the raw view …"
    return f"{text[:head]}\n{note}\n{text[head - limit :]}"


def compact(value: object, limit: int = 200) -> str:
    """Return a JSON value on one line."""
    try:
        return one_line(orjson.dumps(value).decode(), limit)
    except TypeError:  # nested too deeply, or not JSON
        return "…"


def outlined(value: object, depth: int = 0) -> Iterator[str]:
    """Yield the lines of a JSON value: `key: value`, `- item`, and multi-line strings as blocks."""
    if depth > SHOWN_DEPTH:
        yield "…"
    elif isinstance(value, dict):
        yield from _members(
            ((f"{one_line(str(key), 100)}:", each) for key, each in value.items()),
            len(value),
            depth,
        )
    elif isinstance(value, list | tuple):
        yield from _members((("-", each) for each in value), len(value), depth)
    else:
        yield scalar(value)


def _members(members: Iterator[tuple[str, object]], count: int, depth: int) -> Iterator[str]:
    for mark, value in islice(members, SHOWN_MEMBERS):
        if isinstance(value, dict | list | tuple) and value:
            yield mark
            for line in outlined(value, depth + 1):
                yield INDENT + line
        elif isinstance(value, str) and "\n" in value:
            yield f"{mark} |"
            for line in clipped(value, BLOCK_CHARACTERS).splitlines():
                yield INDENT + line
        else:
            yield f"{mark} {scalar(value)}"
    if count > SHOWN_MEMBERS:
        yield f"… {count - SHOWN_MEMBERS:,} more"


def scalar(value: object) -> str:
    """Return a value without members as text; a string without quotes."""
    if isinstance(value, str):
        return clipped(value, BLOCK_CHARACTERS)
    return compact(value)
