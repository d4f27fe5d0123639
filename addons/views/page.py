"""A page of text for a person: titles, indented blocks, values as outlines; bounded, without control characters.

Never does: parse a protocol. Invariant: total, and no page is longer than `PAGE_CHARACTERS` and one note, whatever is
put on it.
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
"""What is shown of a text that is the same in every turn."""
SHOWN_MEMBERS = 200
"""Members of one array or object that an outline shows."""
SHOWN_DEPTH = 12
INDENT = "  "

# Escape sequences could paint over other lines, bidi controls could turn what is read around.
_HIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One thing that was said: a title, and a text or a value. A folded one is shown in part."""

    title: str
    text: str = ""
    value: object = None
    folded: bool = False


class Page:
    """Lines, until it is full."""

    __slots__ = ("_left", "_lines")

    def __init__(self, limit: int = PAGE_CHARACTERS) -> None:
        self._lines: list[str] = []
        self._left = limit

    @property
    def full(self) -> bool:
        """Whether no more lines are taken."""
        return self._left <= 0

    def line(self, text: str = "", depth: int = 0) -> None:
        """Add lines; a text of several is indented as a whole."""
        for one in visible(text[: self._left + 1]).split("\n"):
            if self.full:
                return
            written = (INDENT * depth + one).rstrip()
            self._left -= len(written) + 1
            if self.full:
                written = written[: max(0, self._left)] + "… the rest is left out: see the raw view"
            self._lines.append(written)

    def title(self, text: str) -> None:
        """Begin a section."""
        if self._lines:
            self.line()
        self.line(one_line(text))

    def outline(self, value: object, depth: int = 0) -> None:
        """Add a JSON value, one member a line, strings as they read."""
        for line in outlined(value):
            if self.full:
                return
            self.line(line, depth)

    def block(self, block: Block, limit: int = BLOCK_CHARACTERS) -> None:
        """Add one thing that was said."""
        self.title(block.title)
        if block.value is not None:
            part = Page(limit)
            part.outline(block.value)
            self.line(part.text(), 1)
        elif block.text:
            self.line(clipped(block.text, FOLDED_CHARACTERS if block.folded else limit), 1)

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines)


def visible(text: str) -> str:
    """The text without what a terminal or a page would act on; line ends become LF."""
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str, limit: int = 200) -> str:
    """The text as one short line."""
    flat = " ".join(text[: limit * 4].split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def clipped(text: str, limit: int) -> str:
    """The beginning and the end of a long text, and how much lies between."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    left_out = f"… {len(text) - limit:,} characters left out: see the raw view …"
    return f"{text[:head]}\n{left_out}\n{text[head - limit :]}"


def compact(value: object, limit: int = 200) -> str:
    """A JSON value on one line."""
    try:
        return one_line(orjson.dumps(value).decode(), limit)
    except TypeError:  # nested too deeply, or no JSON at all
        return "…"


def outlined(value: object, depth: int = 0) -> Iterator[str]:
    """The lines of a JSON value: `key: value`, `- item`, texts of several lines as blocks."""
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
    """A value without members; a string as it is."""
    if isinstance(value, str):
        return clipped(value, BLOCK_CHARACTERS)
    return compact(value)
