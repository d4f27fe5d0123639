"""Fences between the parts of a prompt, and the clipping of what is too long.

Invariant: no text inside a part, whoever wrote it, can look like a fence of the same request: fences carry a random
mark, and a text loses every copy of it. A clipped text is never longer than its limit and says what is missing.
"""

from __future__ import annotations

import re

_ODD = re.compile(r"[^\w.:-]+")
LONGEST_LABEL = 60
HEAD_SHARE = 0.6
"""How much of what is kept of a long text is its beginning."""


class Fences:
    """Writes the parts of one prompt. `mark` is random and new for each request."""

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
