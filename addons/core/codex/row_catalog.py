"""The catalog entry of a models.json row, which decides how Codex offers the model and builds its requests.

Never does: claim a feature that a translated route cannot provide (hosted search, the lite request shape, code mode).
Invariant: every entry is valid for the version of Codex that it is made for, because one invalid entry keeps Codex from
starting. Only the levels differ between versions.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.codex.catalog import Entry
from addons.core.codex.reasoning_levels import NEWEST_RULES, accepts_level
from addons.core.settings.labels import row_label
from addons.core.settings.row import ModelRow
from addons.core.upstream.profile import EffortStyle, Profile
from addons.core.upstream.target import Target

FIRST_PRIORITY = 20
"""After the account's own models, whose priorities reach 13 (Codex 0.169). Desktop loads only the first 100 rows."""
LAST_PRIORITY = 99
COMPACT_PERCENT = 80
MIN_COMPACT_TOKENS = 8_000
TRUNCATION_PERCENT = 32
TRUNCATION_BOUNDS = (8_000, 64_000)
EFFECTIVE_PERCENT = 95

LEVELS: Mapping[str, str] = {
    "none": "Answers at once, without reasoning",
    "minimal": "Hardly any reasoning",
    "low": "Little reasoning, quick answers",
    "medium": "A balance of speed and care",
    "high": "More reasoning for hard problems",
    "xhigh": "Much reasoning for the hardest problems",
    "max": "The most reasoning there is",
}
"""Weakest first. Any other level is one that the upstream named."""
_LADDER = ("low", "medium", "high", "xhigh")
_SWITCH = ("none", "high")
OFFERED: Mapping[EffortStyle, tuple[str, ...]] = {
    "none": (),
    "reasoning_effort": _LADDER,
    "reasoning_object": _LADDER,
    "thinking_switch": _SWITCH,
    "enable_thinking": _SWITCH,
    "template_switch": _SWITCH,
    "thinking_budget": _LADDER,
    "adaptive_thinking": (*_LADDER, "max"),
}
"""The levels that a user may choose, besides those that the model's profile names. A switch is on or off."""
_NAMES_ITS_LEVEL = frozenset(
    {"reasoning_effort", "reasoning_object", "thinking_switch", "adaptive_thinking"}
)
"""The styles that can send the name of a level."""

INSTRUCTIONS = (
    "You are {name}, working as a coding agent inside Codex on the user's own machine. Read before you change, keep "
    "to what was asked, use the tools that you are given, and check your work before you say that it is done."
)


def row_entry(
    row: ModelRow, target: Target, position: int, client_version: str = NEWEST_RULES
) -> Entry:
    """Return the entry of a row for a version of Codex. `position` counts the rows from 0."""
    window = target.context_tokens
    levels = offered_levels(target, client_version)
    low, high = TRUNCATION_BOUNDS
    return {
        "slug": row.slug,
        "display_name": row.display_name,
        "description": f"{row.model} from {row_label(row)}, through codex-shim.",
        "default_reasoning_level": default_level(levels),
        "supported_reasoning_levels": [
            {"effort": level, "description": _description(level, target.profile)}
            for level in levels
        ],
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": min(FIRST_PRIORITY + position, LAST_PRIORITY),
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": INSTRUCTIONS.format(name=row.display_name),
        "supports_reasoning_summaries": bool(levels),
        "default_reasoning_summary": "auto" if levels else "none",
        "support_verbosity": target.profile.verbosity,
        "default_verbosity": _verbosity(row, target),
        "apply_patch_tool_type": "freeform",
        "web_search_tool_type": "text",
        "truncation_policy": {
            "mode": "tokens",
            "limit": min(max(window * TRUNCATION_PERCENT // 100, low), high),
        },
        "supports_parallel_tool_calls": True,
        "supports_image_detail_original": False,
        "context_window": window,
        "max_context_window": window,
        "auto_compact_token_limit": max(MIN_COMPACT_TOKENS, window * COMPACT_PERCENT // 100),
        "effective_context_window_percent": EFFECTIVE_PERCENT,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if target.images else ["text"],
        "tool_mode": "direct",
        "supports_search_tool": False,
    }


def offered_levels(target: Target, client_version: str = NEWEST_RULES) -> tuple[str, ...]:
    """Return the levels of the model that this version of Codex accepts, weakest first.

    Levels that the provider receives as the same value are offered once, by that value's own name where Codex knows it.
    """
    profile = target.profile
    by_value: dict[str, str] = {}
    for level in _levels_of(profile):
        value = profile.efforts.get(level, level)
        if accepts_level(client_version, level) and (level == value or value not in by_value):
            by_value[value] = level
    return tuple(sorted(by_value.values(), key=_strength))


def default_level(levels: tuple[str, ...]) -> str | None:
    """Return the level of a new thread."""
    if not levels:
        return None
    return next((level for level in ("medium", "high") if level in levels), levels[-1])


def _levels_of(profile: Profile) -> list[str]:
    style = profile.effort_style
    has_switch_and_levels = style == "thinking_switch" and profile.efforts
    usual = ("none", *_LADDER) if has_switch_and_levels else OFFERED[style]
    named = profile.efforts.values() if style in _NAMES_ITS_LEVEL else ()
    return sorted({*usual, *named}, key=_strength)


def _strength(level: str) -> tuple[int, str]:
    known = tuple(LEVELS)
    return (known.index(level) if level in known else len(known), level)


def _description(level: str, profile: Profile) -> str:
    text = LEVELS.get(level, "A level of this model")
    value = profile.efforts.get(level, level)
    return text if value == level else f"{text}; sent as `{value}`"


def _verbosity(row: ModelRow, target: Target) -> str | None:
    return (row.default_verbosity or "medium") if target.profile.verbosity else None
