"""What a turn used: its tokens, and the rate-limit windows that its upstream reports.

The counts of every protocol become one `Usage`, in the terms of the Responses API. Sources of windows: `x-codex-…`
headers as Codex 0.169 reads them, `codex.rate_limits` events, the `x-ratelimit-…` headers of OpenAI and compatible
servers, and `anthropic-ratelimit-…`.

Never does: estimate a missing count, keep an unknown name or a value that is not a number. Invariant: total for any
input; written counts are integers that every JSON reader can hold, and both detail objects are present.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from addons.core.headers import Headers
from addons.core.json_values import as_int, as_object

MAX_TOKENS = 2**53 - 1
"""The largest count that is written. An absurd count must not break the event that ends the turn."""


class Usage(NamedTuple):
    """Tokens of one turn. Cached and cache-written tokens are part of the input, reasoning tokens of the output."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cache_written_tokens: int = 0
    """Part of the input. Reported only by providers that charge for it."""

    @classmethod
    def of(cls, value: object) -> Usage | None:
        """Read the `usage` object of a response. None unless its three sums are integers."""
        usage = as_object(value)
        tokens_in = as_int(usage.get("input_tokens"))
        tokens_out = as_int(usage.get("output_tokens"))
        total = as_int(usage.get("total_tokens"))
        if tokens_in is None or tokens_out is None or total is None:
            return None
        inside = as_object(usage.get("input_tokens_details"))
        cached, written = inside.get("cached_tokens"), inside.get("cache_write_tokens")
        reasoning = as_object(usage.get("output_tokens_details")).get("reasoning_tokens")
        return cls(
            tokens_in,
            as_int(cached) or 0,
            tokens_out,
            as_int(reasoning) or 0,
            total,
            as_int(written) or 0,
        )

    def plain(self) -> dict[str, int]:
        """Return the counts as plain data, under short names."""
        return {
            "input": min(self.input_tokens, MAX_TOKENS),
            "cached": min(self.cached_tokens, MAX_TOKENS),
            "cache_written": min(self.cache_written_tokens, MAX_TOKENS),
            "output": min(self.output_tokens, MAX_TOKENS),
            "reasoning": min(self.reasoning_tokens, MAX_TOKENS),
        }

    def to_response(self) -> dict[str, object]:
        """Return the `usage` object of a response. Clients require both detail objects."""
        return {
            "input_tokens": min(self.input_tokens, MAX_TOKENS),
            "input_tokens_details": {
                "cached_tokens": min(self.cached_tokens, MAX_TOKENS),
                "cache_write_tokens": min(self.cache_written_tokens, MAX_TOKENS),
            },
            "output_tokens": min(self.output_tokens, MAX_TOKENS),
            "output_tokens_details": {"reasoning_tokens": min(self.reasoning_tokens, MAX_TOKENS)},
            "total_tokens": min(self.total_tokens, MAX_TOKENS),
        }


_LIMIT_NAME = re.compile(rb"limit|ary-", re.IGNORECASE)
"""A part of each name that says something about a limit."""
_CODEX = re.compile(r"x-(?P<family>[a-z0-9-]{1,40}?)-(?P<window>primary|secondary)-(?P<field>used-percent|window-minutes|reset-at|reset-after-seconds)")  # fmt: skip
_LIMITS = re.compile(
    r"(?:x-ratelimit-(?P<field>limit|remaining|reset)-(?P<what>requests|tokens)"
    r"|anthropic-ratelimit-(?P<what2>requests|tokens|input-tokens|output-tokens)-(?P<field2>limit|remaining|reset))"
)
_SPAN = re.compile(r"(?P<number>\d{1,12}(?:\.\d{1,12})?)(?P<unit>ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_WINDOWS = 16


@dataclass(frozen=True, slots=True)
class Window:
    """One allowance and how much of it is used."""

    name: str
    used_percent: float
    minutes: int | None = None
    """The length of the window."""
    resets_at: float | None = None
    """Unix seconds."""

    def plain(self) -> dict[str, object]:
        """Return the window as plain data."""
        return asdict(self)


def mentions_limit(headers: Headers) -> bool:
    """Return whether a response head may report a window."""
    return bool(_LIMIT_NAME.search(b"\n".join(dict(headers))))


def windows_in_headers(headers: Headers, now: float) -> list[Window]:
    """Return the windows in a response head. `now` is when it arrived, in Unix seconds."""
    if not mentions_limit(headers):
        return []
    codex: dict[str, dict[str, str]] = {}
    others: dict[str, dict[str, str]] = {}
    for raw_name, raw_value in headers:
        if not _LIMIT_NAME.search(raw_name):
            continue
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1").strip()
        if found := _CODEX.fullmatch(name):
            family = "" if found["family"] == "codex" else f"{found['family']} "
            codex.setdefault(family + found["window"], {})[found["field"].replace("-", "_")] = value
        elif found := _LIMITS.fullmatch(name):
            what = found["what"] or found["what2"]
            others.setdefault(what, {})[found["field"] or found["field2"]] = value
    return [*_codex_windows(codex, now), *_other_windows(others, now)][:MAX_WINDOWS]


def windows_in_event(event: Mapping[str, object], now: float) -> list[Window]:
    """Return the windows in a `codex.rate_limits` event."""
    limits = event.get("rate_limits")
    fields = limits if isinstance(limits, Mapping) else event
    known = {name: fields.get(name) for name in ("primary", "secondary")}
    return list(_codex_windows({k: v for k, v in known.items() if isinstance(v, dict)}, now))


def _codex_windows(windows: Mapping[str, Mapping[str, object]], now: float) -> Iterator[Window]:
    for name, fields in windows.items():
        used = number(fields.get("used_percent"))
        if used is None:
            continue
        minutes, resets = number(fields.get("window_minutes")), number(fields.get("reset_at"))
        resets = resets if resets is not None else number(fields.get("resets_at"))
        after = number(fields.get("reset_after_seconds"))
        if resets is None and after is not None:
            resets = now + after
        yield Window(name, used, None if minutes is None else int(minutes), resets)


def _other_windows(windows: Mapping[str, Mapping[str, str]], now: float) -> Iterator[Window]:
    for name, fields in windows.items():
        limit, remaining = number(fields.get("limit")), number(fields.get("remaining"))
        if limit and remaining is not None and limit > 0:
            used = max(0.0, min(100.0, 100 * (limit - remaining) / limit))
            yield Window(name, round(used, 1), None, _reset_time(fields.get("reset", ""), now))


def _reset_time(text: str, now: float) -> float | None:
    """Return the Unix time of a reset: `6m0s`, seconds, Unix seconds, or an RFC 3339 date."""
    if (plain := number(text)) is not None:
        return plain if plain > now / 2 else now + plain
    parts = list(_SPAN.finditer(text))
    if parts and "".join(part[0] for part in parts) == text:
        return now + sum(float(part["number"]) * _UNITS[part["unit"]] for part in parts)
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def number(value: object) -> float | None:
    """Return a number, also when it is written as a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if math.isfinite(figure) and abs(figure) < 1e12 else None  # noqa: PLR2004  larger than any quota
