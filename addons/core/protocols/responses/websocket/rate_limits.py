"""The rate limits of an answer's head as the event by which a WebSocket tells them.

A frame has no headers, so ChatGPT sends `codex.rate_limits` over a WebSocket. Source: the `x-codex-…` headers and the
event as Codex 0.169 and 0.171 read them. Never does: keep a value that is not a number. Invariant: total.
"""

from __future__ import annotations

import re

import orjson

from addons.core.headers import Headers
from addons.core.usage import number

_WINDOW = re.compile(r"x-codex-(primary|secondary)-(used-percent|window-minutes|reset-at)")
_CREDITS = "x-codex-credits-"
_FAMILY = b"x-codex-"
_TRUE = "true"


def rate_limits_event(headers: Headers) -> bytes | None:
    """Return the event for a head, as JSON; None for a head without rate limits."""
    windows: dict[str, dict[str, float]] = {}
    credits_: dict[str, str] = {}
    for raw_name, raw_value in headers:
        if raw_name[: len(_FAMILY)].lower() != _FAMILY:
            continue
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        if found := _WINDOW.fullmatch(name):
            figure = number(value)
            if figure is not None:
                field = found[2].replace("-", "_")
                is_whole = field != "used_percent"
                windows.setdefault(found[1], {})[field] = int(figure) if is_whole else figure
        elif name.startswith(_CREDITS):
            credits_[name.removeprefix(_CREDITS)] = value
    known = {name: fields for name, fields in windows.items() if "used_percent" in fields}
    if not known:
        return None
    event: dict[str, object] = {"type": "codex.rate_limits", "rate_limits": known}
    if {"has-credits", "unlimited"} <= credits_.keys():
        event["credits"] = {
            "has_credits": credits_["has-credits"].lower() == _TRUE,
            "unlimited": credits_["unlimited"].lower() == _TRUE,
            "balance": credits_.get("balance"),
        }
    return orjson.dumps(event)
