"""The windows of every quota in words, for `status` and `usage`.

Never does: trust what answered on a port. Invariant: what is no figure is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TypeGuard

MINUTE, HOUR, DAY = 60, 3600, 86400
_LONGEST_NAME = 40


def quota_lines(quota: object, now: float) -> list[str]:
    """One line a window: `  quota chatgpt primary   42 % of 5 h, resets in 1 h 10 min`."""
    if not isinstance(quota, Mapping):
        return []
    return [
        f"  {f'quota {_name(route)}':<20} {line}"
        for route, windows in quota.items()
        if isinstance(windows, list)
        for line in _windows(windows, now)
    ]


def _windows(windows: list[object], now: float) -> Iterator[str]:
    for window in windows:
        if isinstance(window, Mapping) and _is_figure(used := window.get("used_percent")):
            yield f"{_name(window.get('name'))}: {used:g} % used{_span(window)}{_reset(window, now)}"


def _span(window: Mapping[str, object]) -> str:
    minutes = window.get("minutes")
    return f" of {rough(minutes * MINUTE)}" if _is_figure(minutes) else ""


def _reset(window: Mapping[str, object], now: float) -> str:
    at = window.get("resets_at")
    if not _is_figure(at):
        return ""
    return f", resets in {rough(at - now)}" if at > now else ", has reset since"


def rough(seconds: float) -> str:
    """A span in its largest unit, or two where the first is small: `5 h`, `1 h 10 min`, `7 d`."""
    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
    for (size, name), (below, below_name) in pairwise(units):
        whole, rest = divmod(int(seconds), size)
        if whole:
            more = f" {rest // below} {below_name}" if rest // below and whole < 10 else ""  # noqa: PLR2004  small
            return f"{whole} {name}{more}"
    return f"{int(seconds)} s"


def _is_figure(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: object) -> str:
    text = str(value)[:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "?" for c in text)
