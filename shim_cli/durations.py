"""Spans of time in words. Pure."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A span in its two largest units: `3 d 4 h`, `12 min 5 s`."""
    whole = int(seconds)
    parts = [
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "min"),
        (whole % 60, "s"),
    ]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
