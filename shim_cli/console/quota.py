"""Quota windows as text, for `status` and `usage`.

Never does: trust the program that answered on a port. Invariant: a value that is not a number is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeGuard

from shim_cli.console.format import MINUTE, rough_duration

_MAX_NAME_LENGTH = 40


def quota_lines(quota: object, now: float) -> list[str]:
    """Return one line per window: `  quota chatgpt        primary: 42 % used of 5 h, resets in 1 h 10 min`."""
    return [f"  {name:<20} {text}" for name, text in quota_pairs(quota, now)]


def quota_pairs(quota: object, now: float) -> list[tuple[str, str]]:
    """Return the name and the text of each window."""
    if not isinstance(quota, Mapping):
        return []
    return [
        (f"quota {_name(route)}", text)
        for route, windows in quota.items()
        if isinstance(windows, list)
        for text in _windows(windows, now)
    ]


def _windows(windows: list[object], now: float) -> Iterator[str]:
    for window in windows:
        if isinstance(window, Mapping) and _is_number(used := window.get("used_percent")):
            yield f"{_name(window.get('name'))}: {used:g} % used{_length(window)}{_reset(window, now)}"


def _length(window: Mapping[str, object]) -> str:
    minutes = window.get("minutes")
    return f" of {rough_duration(minutes * MINUTE)}" if _is_number(minutes) else ""


def _reset(window: Mapping[str, object], now: float) -> str:
    at = window.get("resets_at")
    if not _is_number(at):
        return ""
    return f", resets in {rough_duration(at - now)}" if at > now else ", has reset since"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: object) -> str:
    text = str(value)[:_MAX_NAME_LENGTH]
    return "".join(c if c.isprintable() else "?" for c in text)
