"""README.md taken apart: its sections, tables, and blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines without what is said about them."""
        return [re.sub(r"\s+# .*$", "", line).strip() for line in self.text.splitlines()]


def blocks(language: str) -> list[Block]:
    """The blocks of a language, in their order."""
    return [Block(*found) for found in _BLOCK.findall(TEXT) if found[0] == language]


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of every row of the table whose first column has this heading."""
    inside = False
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            inside = False
        elif cells[0] == heading:
            inside = True
        elif inside and not set(line) <= {"|", "-"}:
            yield cells


def code_in(text: str) -> list[str]:
    """What stands between backticks, outside of fenced blocks."""
    return _CODE.findall(_BLOCK.sub("", text))
