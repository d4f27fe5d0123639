"""Reads the working folder that Codex declares, so that Cursor works in the same one.

Source: the `<environment_context>` that Codex 0.133 to 0.169 writes before the user's first message. Never looks at the
disk: `addons.adapters.cursor.workspace` decides whether the folder can be trusted. Invariant: only the first such text
counts, and only before anything that a person wrote, because later text may come from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

TAG = "<environment_context>"
CONTEXTS = ("# AGENTS.md instructions", "<user_instructions>", "<INSTRUCTIONS>", "<permissions")
"""The beginnings of the other texts that Codex puts before the user's message."""
_CWD = re.compile(r"<cwd>([^<\r\n]*)</cwd>")


def declared_cwd(payload: Mapping[str, object]) -> str | None:
    """Return the folder that a request body declares; None without one."""
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
            # An image or a file comes from the user, so nothing after it is trusted.
            yield text if isinstance(text, str) else "?"
