"""Render the rate-limit windows of response headers and `codex.rate_limits` events. Total."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from addons.core.json_values import JsonObject, as_object
from addons.views.page import Page, one_line

Headers = Iterable[tuple[str, str]]

_WINDOW = re.compile(
    r"x-(?P<family>[a-z0-9-]{1,100}?)-(?P<window>primary|secondary)-(?P<field>[a-z-]{1,40})"
)
_OTHER = re.compile(
    r"x-codex-(credits-.*|active-limit|limit-name)|(x-|anthropic-)?ratelimit-.*|retry-after(-ms)?"
)
HOUR, DAY = 60, 24 * 60
"""In minutes."""


def write_quota(page: Page, headers: Headers) -> None:
    """Write the windows to the page. Nothing is written when the headers contain none."""
    lines = list(quota_lines(headers))
    if lines:
        page.title("QUOTA")
        for line in lines:
            page.line(line, 1)


def quota_lines(headers: Headers) -> Iterator[str]:
    """Yield one line for each window, then the other rate-limit headers."""
    windows: dict[str, dict[str, str]] = {}
    others: list[str] = []
    for name, value in headers:
        plain = name.lower()
        if found := _WINDOW.fullmatch(plain):
            windows.setdefault(f"{found['family']} {found['window']}", {})[found["field"]] = value
        elif _OTHER.fullmatch(plain):
            others.append(f"{plain}: {one_line(value, 100)}")
    for name, fields in windows.items():
        yield window_line(name, fields)
    yield from others


def window_line(name: str, fields: JsonObject) -> str:
    """Return `codex primary: 42 % used of 5 h, resets at 1795500000`."""
    used = fields.get("used-percent", fields.get("used_percent", "?"))
    minutes = fields.get("window-minutes", fields.get("window_minutes"))
    line = f"{name}: {one_line(str(used), 20)} % used"
    if minutes is not None:
        line += f" of {duration(minutes)}"
    for key in ("reset-at", "reset_at", "resets_at"):
        if key in fields:
            return f"{line}, resets at {one_line(str(fields[key]), 40)}"
    for key in ("reset-after-seconds", "reset_after_seconds", "resets_in_seconds"):
        if key in fields:
            return f"{line}, resets in {one_line(str(fields[key]), 20)} s"
    return line


def event_lines(event: JsonObject) -> Iterator[str]:
    """Yield one line for each window of a `codex.rate_limits` event."""
    limits = as_object(event.get("rate_limits")) or event
    for name in ("primary", "secondary"):
        if window := as_object(limits.get(name)):
            yield window_line(name, window)


def duration(minutes: object) -> str:
    """Return the length of a window with its unit."""
    text = one_line(str(minutes), 20)
    if not text.isascii() or not text.isdecimal():
        return f"{text} min"
    count = int(text)
    for size, unit in ((DAY, "d"), (HOUR, "h")):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} min"
