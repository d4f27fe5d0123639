"""What a user probably meant by a name that has no meaning."""

from __future__ import annotations

from collections.abc import Iterable

MIN_LIKENESS = 0.75
"""Of `difflib`: twice the characters in common, divided by all characters."""
MIN_LENGTH = 3
"""Shorter names are like too many others."""

OWN_WORDS = frozenset({"version"})
"""Names that mean something of their own in files of other programs, however like a known one they are."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearly this one; empty if none is."""
    # only a wrong name needs it, and it takes as long to import as the rest of the settings to read
    from difflib import get_close_matches  # noqa: PLC0415

    if len(name) < MIN_LENGTH or name.lower() in OWN_WORDS:
        return ""
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_lower, 1, MIN_LIKENESS)
    return by_lower[found[0]] if found else ""
