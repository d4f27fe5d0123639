"""The folder that Codex says it works in, for Cursor to work in the same.

Source: the `<environment_context>` that Codex 0.133 to 0.169 writes before the user's first words. Never looks at a
disk: whether the folder may be trusted is decided where that can be seen. Invariant: only the first such text counts,
and only where it stands before anything that a person wrote, for what follows may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

TAG = "<environment_context>"
CONTEXTS = ("# AGENTS.md instructions", "<user_instructions>", "<INSTRUCTIONS>", "<permissions")
"""How the other texts begin that Codex itself puts before the user's."""
_CWD = re.compile(r"<cwd>([^<\r\n]*)</cwd>")


def declared_cwd(payload: Mapping[str, object]) -> str | None:
    """Find the folder in a request body; None when it names none."""
    for text in _user_texts(payload.get("input")):
        plain = text.strip()
        if plain.startswith(TAG):
            found = _CWD.search(plain)
            return found[1].strip() or None if found else None
        if plain and not plain.startswith(CONTEXTS):
            return None
    return None


def _user_texts(items: object) -> Iterator[str]:
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict) or item.get("role") != "user":
            continue
        content = item.get("content")
        if isinstance(content, str):
            yield content
        for part in content if isinstance(content, list) else ():
            text = part.get("text") if isinstance(part, dict) else None
            # An image or a file is the user's own, as much as words are.
            yield text if isinstance(text, str) else "?"
