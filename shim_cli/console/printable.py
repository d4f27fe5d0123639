"""Text of other programs, made safe for a terminal. Pure."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text without control characters other than line breaks and tabs."""
    return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)


def printable_line(text: str) -> str:
    """Return a text on one line, without control characters."""
    return printable(" ".join(text.split()))
