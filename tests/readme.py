"""Parse README.md and the other documents: tables, fenced blocks, inline code, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_CONTINUED = re.compile(r"\\\n\s*")
_BETWEEN_COMMANDS = re.compile(r"&&|\|\|?|;|\$\(|\)")
_LAUNCHERS = (
    ("uv", "run", "--no-default-groups"),
    ("uv", "run"),
    ("uvx", "--from", "."),
    ("docker", "exec", "codex-shim"),
)
"""What may stand before a command and runs it."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Return its lines without trailing comments. A continued line is one line."""
        text = _CONTINUED.sub("", self.text)
        return [re.sub(r"\s+# .*$", "", line).strip() for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file; `name` is its path in the repository."""

    name: str

    @property
    def text(self) -> str:
        return (ROOT / self.name).read_text()

    def blocks(self, language: str) -> list[Block]:
        """Return the blocks of a language, in order."""
        return [Block(*found) for found in _BLOCK.findall(self.text) if found[0] == language]

    def lines(self) -> list[str]:
        """Return the lines of the shell blocks."""
        return [line for block in self.blocks("sh") for line in block.lines]

    def rows(self, heading: str) -> Iterator[list[str]]:
        """Yield the cells of each row of the table whose first column has this heading."""
        inside = False
        for line in self.text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not cells:
                inside = False
            elif cells[0] == heading:
                inside = True
            elif inside and not set(line) <= {"|", "-"}:
                yield cells

    def commands(self) -> list[str]:
        """Return the arguments of every `codex-shim …` that the document shows, in blocks and in the text."""
        inline = (code for code in code_in(self.text) if "…" not in code)
        return [
            shlex.join(words[1:])
            for line in (*self.lines(), *inline)
            for words in simple_commands(line)
            if words[:1] == ["codex-shim"] and words[1:]
        ]


README = Document("README.md")
COMMANDS = Document("docs/commands.md")
CONFIGURATION = Document("docs/configuration.md")
TROUBLESHOOTING = Document("docs/troubleshooting.md")
HISTORY = {"CHANGELOG.md", "tests/field/LOG.md"}
"""Documents that also name commands, files and options of the past."""
DOCUMENTS = [
    Document(str(path.relative_to(ROOT)))
    for pattern in ("*.md", "certs/*.md", "docs/**/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.name not in HISTORY
]


def code_in(text: str) -> list[str]:
    """Return the inline code outside of fenced blocks."""
    return _CODE.findall(_BLOCK.sub("", text))


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command in a line of a shell, without assignments and launchers before it."""
    for part in _BETWEEN_COMMANDS.split(line):
        try:
            words = shlex.split(part)
        except ValueError:  # the rest of a quoted text that contains a separator
            continue
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        for launcher in _LAUNCHERS:
            if tuple(words[: len(launcher)]) == launcher:
                words = words[len(launcher) :]
                break
        yield words
