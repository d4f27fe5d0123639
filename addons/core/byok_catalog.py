"""The catalog entry of a row: what Codex reads before it offers the model, and what shapes its requests.

Never does: claim what a translated route cannot keep (hosted search, the lite request shape, code mode). Invariant:
every entry satisfies the rules of all supported versions of Codex, for one bad entry keeps Codex from starting.
"""

from __future__ import annotations

from collections.abc import Mapping

from addons.core.catalog import Entry
from addons.core.model_row import ModelRow
from addons.core.target import EffortStyle, Target

FIRST_PRIORITY = 20
"""Behind the account's own models, which have up to 13 (Codex 0.169). Desktop loads only the first 100 rows."""
LAST_PRIORITY = 99
COMPACT_PERCENT = 80
LEAST_COMPACT_TOKENS = 8_000
TRUNCATION_PERCENT = 32
TRUNCATION_BOUNDS = (8_000, 64_000)
EFFECTIVE_PERCENT = 95

LEVELS: Mapping[str, str] = {
    "none": "Answers at once, without reasoning",
    "low": "Little reasoning, quick answers",
    "medium": "A balance of speed and care",
    "high": "More reasoning for hard problems",
    "xhigh": "The most reasoning there is",
}
_LADDER = ("low", "medium", "high", "xhigh")
_SWITCH = ("none", "high")
OFFERED: Mapping[EffortStyle, tuple[str, ...]] = {
    "none": (),
    "reasoning_effort": _LADDER,
    "reasoning_object": _LADDER,
    "thinking_switch": _SWITCH,
    "enable_thinking": _SWITCH,
    "thinking_budget": _LADDER,
    "adaptive_thinking": _LADDER,
}
"""What a user may choose. A switch is on or off; Codex 0.133 knows no other words than these."""

INSTRUCTIONS = (
    "You are {name}, working as a coding agent inside Codex on the user's own machine. Read before you change, keep "
    "to what was asked, use the tools that you are given, and check your work before you say that it is done."
)


def byok_entry(row: ModelRow, target: Target, position: int) -> Entry:
    """The entry of a row. `position` counts the rows from 0."""
    window = target.context_tokens
    levels = offered_levels(target)
    low, high = TRUNCATION_BOUNDS
    return {
        "slug": row.slug,
        "display_name": row.display_name,
        "description": f"{row.model} from {row.provider}, through codex-shim.",
        "default_reasoning_level": default_level(levels),
        "supported_reasoning_levels": [
            {"effort": level, "description": LEVELS[level]} for level in levels
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
        "auto_compact_token_limit": max(LEAST_COMPACT_TOKENS, window * COMPACT_PERCENT // 100),
        "effective_context_window_percent": EFFECTIVE_PERCENT,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if target.images else ["text"],
        "tool_mode": "direct",
        "supports_search_tool": False,
    }


def offered_levels(target: Target) -> tuple[str, ...]:
    """The efforts that make a difference: two that the provider is told with one word are offered once."""
    told: dict[str, str] = {}
    for level in OFFERED[target.profile.effort_style]:
        told.setdefault(target.profile.efforts.get(level, level), level)
    return tuple(told.values())


def default_level(levels: tuple[str, ...]) -> str | None:
    """Where a new thread begins."""
    if not levels:
        return None
    return "medium" if "medium" in levels else levels[-1]


def _verbosity(row: ModelRow, target: Target) -> str | None:
    return (row.default_verbosity or "medium") if target.profile.verbosity else None
