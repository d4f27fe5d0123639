r"""The placeholders that stand for private values: `masked-email-7k2m9x4q1v8d`.

The last part is derived from a key of this installation, the user's thread and the value. So a value has one placeholder
in a thread, after a restart too, and another one in every other thread; without the key nobody can derive it. Letters,
digits and hyphens need no escape in JSON, a shell, a URL, an address or Markdown.

Models change letters to upper case, write `_` or `\\-` for `-`: such a form is read as the placeholder. Never does: keep a
value. Invariant: no placeholder is longer than `MAX_LENGTH`, and a text is one only as a whole.
"""

from __future__ import annotations

import base64
import hmac
import re

from addons.core.settings.privacy import MAX_NAME

MARK = "masked"
CODE_LENGTH = 12
MAX_KIND = MAX_NAME
"""Shorter than a code, so that no placeholder can begin inside of a text that looks like one."""

_ALPHABET = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)
"""Base32 → the digits and letters that nobody takes for one another."""
_SEPARATOR = r"(?:\\{0,2}[-_])"
PLACEHOLDER = re.compile(
    rf"{MARK}{_SEPARATOR}[a-z][a-z0-9]{{0,{MAX_KIND - 1}}}{_SEPARATOR}([0-9a-hjkmnp-tv-z]{{{CODE_LENGTH}}})",
    re.IGNORECASE | re.ASCII,
)
MAX_LENGTH = len(MARK) + MAX_KIND + CODE_LENGTH + 2 * 3
_CODE_BYTES = 10


def _partial() -> str:
    """Return the pattern of a text that ends where a placeholder may go on."""
    end = r"\Z"
    separator, kind = (
        r"(?:\\{0,2}\Z|\\{0,2}[-_]%s)",
        rf"[a-z](?:[a-z0-9]{{0,{MAX_KIND - 1}}}(?:\Z|%s))",
    )
    code = rf"[0-9a-hjkmnp-tv-z]{{0,{CODE_LENGTH - 1}}}\Z"
    after_kind = separator % f"(?:{end}|{code})"
    pattern = separator % f"(?:{end}|{kind % after_kind})"
    for letter in reversed(MARK):
        pattern = f"{letter}(?:{end}|{pattern})"
    return pattern


_PARTIAL = re.compile(_partial(), re.IGNORECASE | re.ASCII)
_FIRST = (MARK[0], MARK[0].upper())


class Namer:
    """Makes the placeholders of one thread."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes, thread: str) -> None:
        self._key = hmac.digest(key, thread.encode("utf-8", "surrogatepass"), "sha256")

    def placeholder(self, kind: str, value: str) -> str:
        """Return the placeholder of a value."""
        digest = hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), "sha256")
        code = base64.b32encode(digest[:_CODE_BYTES]).translate(_ALPHABET)[:CODE_LENGTH].decode()
        return f"{MARK}-{kind}-{code}"


def code_of(placeholder: str) -> str:
    """Return the part of a placeholder that tells it from all others."""
    return placeholder[-CODE_LENGTH:].lower()


def begun_at(text: str) -> int:
    """Return where a placeholder begins that may go on behind the text, or the length of the text."""
    end = len(text)
    at = max(end - MAX_LENGTH + 1, 0)
    for found in PLACEHOLDER.finditer(text, max(end - 2 * MAX_LENGTH, 0)):
        # none begins inside of a whole one, which may end in the first letters of the mark
        at = max(at, found.end())
    while True:
        places = [place for first in _FIRST if (place := text.find(first, at)) >= 0]
        if not places:
            return end
        at = min(places)
        if _PARTIAL.match(text, at):
            return at
        at += 1
