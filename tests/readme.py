"""Parse README.md: its tables, its fenced blocks and its inline code."""

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
        """Return its lines without trailing comments."""
        return [re.sub(r"\s+# .*$", "", line).strip() for line in self.text.splitlines()]


def blocks(language: str) -> list[Block]:
    """Return the blocks of a language, in order."""
    return [Block(*found) for found in _BLOCK.findall(TEXT) if found[0] == language]


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table whose first column has this heading."""
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
    """Return the inline code outside of fenced blocks."""
    return _CODE.findall(_BLOCK.sub("", text))
