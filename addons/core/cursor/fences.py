"""Fences between the parts of a prompt, and the clipping of what is too long.

Invariant: no text inside a part, whoever wrote it, can look like a fence of the same request: fences carry a mark that
nobody outside can know, and a text loses every copy of it. The mark of a conversation is that of its extension, for
what Cursor has cached of a prompt is found again only by the same bytes. A clipped text is never longer than its limit
and says what is missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

_ODD = re.compile(r"[^\w.:-]+")
LONGEST_LABEL = 60
HEAD_SHARE = 0.6
"""How much of what is kept of a long text is its beginning."""


class Fences:
    """Writes the parts of one prompt. `mark` is one that `Marks` has made."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def part(self, role: str, text: str, *labels: str) -> str:
        """One part between its fences. Labels are the client's: they stay on their line."""
        head = " ".join((role, *(plain_label(label) for label in labels)))
        return f"<<<{self.mark} {head}>>>\n{self.inside(text)}\n<<<{self.mark} end>>>\n"

    def inside(self, text: str) -> str:
        """The text without the mark."""
        while self.mark in text:
            text = text.replace(self.mark, "")
        return text


class Marks:
    """Makes the marks of conversations, out of a secret of this process and the words that a conversation begins with."""

    __slots__ = ("_secret",)

    def __init__(self) -> None:
        self._secret = ""

    def of(self, beginning: str, random: Callable[[], str]) -> str:
        """The mark of a conversation that begins like this. `random` is asked once."""
        self._secret = self._secret or random()
        secret = hashlib.sha256(self._secret.encode()).digest()
        words = beginning.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(words, digest_size=10, key=secret).hexdigest()


def plain_label(label: str) -> str:
    """A name or an id as one word: call ids with line feeds in them exist."""
    return _ODD.sub("_", label)[:LONGEST_LABEL]


def clip(text: str, limit: int) -> str:
    """Leave out the middle of a text of more than `limit` bytes, and say so there."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return text
    note = f"\n[… codex-shim left out {len(raw) - limit} bytes and a little more here …]\n"
    room = max(0, limit - len(note.encode()))
    first = int(room * HEAD_SHARE)
    last = room - first
    head = raw[:first].decode("utf-8", "ignore")
    tail = raw[len(raw) - last :].decode("utf-8", "ignore") if last else ""
    return f"{head}{note}{tail}" if room else note.strip()[:limit]
