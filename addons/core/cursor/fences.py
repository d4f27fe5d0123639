"""Fences between the parts of a prompt, and the clipping of text that is too long.

Invariant: text inside a part cannot imitate a fence of the same request. Each fence carries a secret mark, and every
copy of the mark is removed from the text. A conversation and its extensions share one mark, because Cursor's prompt
cache matches only identical bytes. A clipped text is never longer than its limit and says how much is missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

_UNSAFE = re.compile(r"[^\w.:-]+")
MAX_LABEL_LENGTH = 60
HEAD_SHARE = 0.6
"""The share of a clipped text that comes from its beginning."""


class Fences:
    """Writes the parts of one prompt. `mark` comes from `Marks`."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def part(self, role: str, text: str, *labels: str) -> str:
        """Return one part between its fences. Labels come from the client and cannot leave their line."""
        head = " ".join((role, *(plain_label(label) for label in labels)))
        return f"<<<{self.mark} {head}>>>\n{self.without_mark(text)}\n<<<{self.mark} end>>>\n"

    def without_mark(self, text: str) -> str:
        """Return the text without any copy of the mark."""
        while self.mark in text:
            text = text.replace(self.mark, "")
        return text


class Marks:
    """Derives the mark of a conversation from a per-process secret and the conversation's first text."""

    __slots__ = ("_secret",)

    def __init__(self) -> None:
        self._secret = ""

    def mark_for(self, prefix: str, random: Callable[[], str]) -> str:
        """Return the mark of a conversation that begins with `prefix`. `random` is called once per process."""
        self._secret = self._secret or random()
        secret = hashlib.sha256(self._secret.encode()).digest()
        data = prefix.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, digest_size=10, key=secret).hexdigest()


def plain_label(label: str) -> str:
    """Return a name or an id as one word. Call ids with line feeds exist."""
    return _UNSAFE.sub("_", label)[:MAX_LABEL_LENGTH]


def clip(text: str, limit: int) -> str:
    """Return a text of at most `limit` bytes, with a note in place of the omitted middle."""
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
